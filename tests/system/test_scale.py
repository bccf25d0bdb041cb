"""Many tiles and many voxels, without a file: null images have a known number of objects."""
import json
import os
import time
import unittest

import h5py

from crash import DONE, LONG, CrashTest, contents
from harness import QUICK, TARKKA

FIXED = {"threshold": {"method": "fixed", "value": 40}}
OBJECTS = [{"threshold": {**FIXED["threshold"], "keep": False}}, {"label": {"keep": False}}, "measure"]


def objects_in(size):
    return (size[0] // 16) * (size[1] // 16) * (size[2] // 16)


class Scale(CrashTest):
    def count(self, size, tile, ranks, timeout, spec="u8"):
        """Runs threshold, label and measure; the number of objects must be the one that the image is made with."""
        text = "x".join(map(str, size))
        file = self.steps(*OBJECTS, image=f"null:{text}:{spec}")
        self.finish("run", file, "--output", self.result, *(["--tile", tile] if tile else []), ranks=ranks, program=TARKKA,
                    timeout=timeout)
        with h5py.File(self.result) as found:
            self.assertEqual(len(found["tables/measure/volume"]), objects_in(size))
            return int(found["tables/measure/volume"][()].sum())

    def test_tiny_tiles(self):
        """More than 100,000 tiles of 512 voxels, written, by two ranks."""
        size = (80, 80, 88) if QUICK else (376, 376, 368)
        file = self.steps({"threshold": {**FIXED["threshold"], "keep": True}}, image="null:" + "x".join(map(str, size)))
        text = self.finish("run", file, "--output", self.result, "--tile", "8x8x8", "--json", ranks=2, program=TARKKA,
                           timeout=600)
        self.assertEqual(json.loads(text[text.index("{"):text.rindex("}") + 1])["tiles"], size[0] * size[1] * size[2] // 512)
        self.finish("run", file, "--output", self.folder / "few.h5", ranks=2, program=TARKKA)
        found, expected = contents(self.result), contents(self.folder / "few.h5")
        self.assertEqual(found, expected)

    def test_objects_over_many_tiles(self):
        """Objects that are cut by tiles' faces, edges and corners are counted once, and none is lost."""
        volumes = {self.count((80, 160, 144), tile, ranks, 300)
                   for tile, ranks in (("8x8x8", 2), ("24x40x56", None), (None, 2))
                   if [self.result.unlink(missing_ok=True), self.result.with_suffix(".provenance.json").unlink(True)]}
        self.assertEqual(len(volumes), 1)

    def test_a_plan_of_a_million_tiles(self):
        """In less than 10 s and 1 GiB."""
        file = self.steps(*OBJECTS, image="null:800x800x800")
        begun = time.monotonic()
        run = self.start("plan", file, "--output", self.result, "--tile", "8x8x8", "--json", threads=None,
                         program=TARKKA)
        _, status, used = os.wait4(run.process.pid, 0)
        seconds = time.monotonic() - begun
        run.process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(run.process.returncode, DONE, run.text())
        self.assertEqual(json.loads(run.text())["tiles"], 10**6)
        print(f"plan of a million tiles: {seconds:.2f} s, {used.ru_maxrss / 1024:.0f} MiB")
        self.assertLess(used.ru_maxrss, 1024**2)
        self.assertLess(seconds, 10)

    @unittest.skipIf(QUICK and not LONG, "takes too long in this build")
    def test_more_than_2_to_the_31_voxels(self):
        size = (1300, 1300, 1300)
        self.assertGreater(size[0] * size[1] * size[2], 2**31)
        self.count(size, None, 2, 3600)


if __name__ == "__main__":
    unittest.main()
