"""Many tiles, many voxels and many objects, without a file: of null images each object's number, size and place are known."""
import json
import os
import time
import unittest

import h5py
import numpy

from crash import DONE, LONG, CrashTest, contents
from harness import QUICK, TARKKA

FIXED = {"threshold": {"method": "fixed", "value": 40}}
OBJECTS = [{"threshold": {**FIXED["threshold"], "keep": False}}, {"label": {"keep": False}}, "measure"]


def balls(size):
    """Voxels and middles of the balls of a null image (io/null.c), in the order of their first voxels."""
    cells = [numpy.arange(n // 16, dtype=numpy.uint64) for n in size]
    z, y, x = (c.ravel() for c in numpy.meshgrid(*cells, indexing="ij"))
    h = z << numpy.uint64(42) ^ y << numpy.uint64(21) ^ x
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        h = (h ^ h >> numpy.uint64(33)) * numpy.uint64(factor)
    radius = 3 + ((h ^ h >> numpy.uint64(33)) % numpy.uint64(4)).astype(int)
    at = numpy.stack([16 * c.astype(int) + 8 for c in (z, y, x)])
    order = numpy.argsort(((at[0] - radius) * size[1] + at[1]) * size[2] + at[2])
    distance = sum((g - 6)**2 for g in numpy.mgrid[:13, :13, :13])
    voxels = numpy.array([(distance <= r * r).sum() for r in range(7)])
    return voxels[radius[order]], at[:, order]


def lattice(*size):
    """Places of the specks of a null image, in order."""
    return numpy.stack([g.ravel() for g in numpy.meshgrid(*(numpy.arange(0, n, 2) for n in size), indexing="ij")])


class Scale(CrashTest):
    def find(self, size, tile, ranks, timeout, voxels, middles, spec="u8"):
        """Runs threshold, label and measure: object number n must have these voxels and this middle."""
        text = "x".join(map(str, size))
        file = self.steps(*OBJECTS, image=f"null:{text}:{spec}")
        self.finish("run", file, "--output", self.result, *(["--tile", tile] if tile else []), ranks=ranks, program=TARKKA,
                    timeout=timeout)
        with h5py.File(self.result) as found:
            table = found["tables/measure"]
            numpy.testing.assert_array_equal(table["label"], numpy.arange(1, len(voxels) + 1))
            numpy.testing.assert_array_equal(table["area"], voxels)
            for axis in range(3):
                numpy.testing.assert_array_equal(table[f"centroid-{axis}"], middles[axis])

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
        size = (80, 160, 144)
        for tile, ranks in (("8x8x8", 2), ("24x40x56", None), (None, 2)):
            self.find(size, tile, ranks, 300, *balls(size))
            self.result.unlink()
            self.result.with_suffix(".provenance.json").unlink()

    def test_bars_through_all_tiles(self):
        """More labels than 16 bits hold, of objects that every plane has a part of."""
        size = (9, 520, 520) if not QUICK else (9, 60, 60)
        bars = numpy.zeros(size[1:], numpy.uint32)
        bars[::2, ::2] = numpy.arange(1, size[1] * size[2] // 4 + 1).reshape(size[1] // 2, size[2] // 2)
        file = self.steps(OBJECTS[0], {"label": {"keep": True}}, image="null:" + "x".join(map(str, size)) + ":u8:bars")
        self.finish("run", file, "--output", self.result, "--tile", "2x64x96", ranks=2, program=TARKKA, timeout=300)
        with h5py.File(self.result) as found:
            for plane in found["labels/label"]:
                numpy.testing.assert_array_equal(plane, bars)

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
        self.find(size, None, 2, 3600, *balls(size))

    @unittest.skipUnless(LONG, "takes minutes and 2 GiB of memory: TARKKA_TEST_LONG=1")
    def test_millions_of_objects(self):
        """8.4 million objects of one voxel each."""
        size = (406, 406, 406)
        places = lattice(*size)
        self.assertGreater(places.shape[1], 8_300_000)
        self.find(size, None, None, 3600, numpy.ones(places.shape[1]), places, "u8:specks")


if __name__ == "__main__":
    unittest.main()
