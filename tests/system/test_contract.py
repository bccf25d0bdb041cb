"""What the engine gives to steps: surveys with a halo, side inputs of each kind, partials that are dealt out over ranks.

The step `contacts` (tests/trial) counts how often voxels of two labels lie side by side, the first of them in a mask; numpy counts again."""
import os
import pathlib
import unittest

import h5py
import numpy

import harness
from harness import SystemTest, launch

TRIAL = os.environ.get("TARKKA_TRIAL_BIN", str(pathlib.Path(harness.TARKKA).parent / "tests/tarkka-trial"))
STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}},
         {"threshold": {"method": "fixed", "value": 33, "name": "low", "keep": True}},
         {"label": {"name": "coarse"}}]


class Contacts(SystemTest):
    def setUp(self):
        super().setUp()
        random = numpy.random.default_rng(5)
        self.image = (random.integers(0, 40, (11, 23, 29)) + 200 * (random.random((11, 23, 29)) > 0.95)).astype(numpy.uint16)
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = self.image

    def run_trial(self, parameters, tile, ranks, expected=0):
        file = self.workflow(str(self.folder / "i.h5"), [*STEPS, {"contacts": parameters}])
        output = self.folder / "R.h5"
        done = launch([TRIAL, "run", str(file), "--output", str(output), "--overwrite", "--tile", tile, "--threads", "1"], ranks)
        self.assertEqual(done.returncode, expected, done.stderr)
        if expected:
            return done.stderr
        with h5py.File(output) as result:
            table = {tuple(row[:2]): tuple(row[2:]) for row in
                     zip(*(result["tables/contacts"][c][...].tolist() for c in ("a", "b", "count", "sum")))}
            return table, {name: result[name][...] for name in ("images/gaussian", "images/low", "labels/coarse")}

    def expected(self, made, images, least):
        labels, mask = made["labels/coarse"].astype(int), made["images/low"] > 0
        brightness = sum((self.image if name == "input" else made["images/gaussian"]).astype(int) for name in images)
        brightness = brightness + numpy.zeros(labels.shape, int)
        found = {}
        for axis in range(3):
            first = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            then = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            counts = mask[first] & (labels[first] != labels[then])
            for a, b, value in zip(labels[first][counts], labels[then][counts], brightness[first][counts]):
                key = (min(a, b), max(a, b))
                count, total = found.get(key, (0, 0))
                found[key] = (count + 1, total + value)
        return {key: value for key, value in found.items() if value[0] >= least}

    def check(self, parameters, images, least=1):
        reference = None
        for tile, ranks in (("whole", None), ("8x8x8", None), ("8x8x8", 3), ("5x9x29", 2)):
            with self.subTest(tile=tile, ranks=ranks):
                table, made = self.run_trial(parameters, tile, ranks)
                reference = self.expected(made, images, least) if reference is None else reference
                self.assertEqual(table, reference)
        return reference

    def test_a_mask_and_several_images(self):
        self.assertGreater(len(self.check({"mask": "low", "images": ["input", "gaussian"]}, ["input", "gaussian"])), 0)

    def test_reduced_after_all_tiles_have_met(self):
        some = self.check({"mask": "low", "least": 40}, [], 40)
        everything = self.check({"mask": "low"}, [])
        self.assertTrue(0 < len(some) < len(everything), (len(some), len(everything)))

    def test_other_labels(self):
        """Labels as a side input: with the same labels again nothing changes."""
        self.check({"mask": "low", "other": "coarse", "images": "input"}, ["input"])

    def test_what_does_not_fit(self):
        for parameters, words in (({"mask": "coarse"}, "'coarse' makes labels, not a mask"),
                                  ({"mask": "input"}, "no earlier step is called 'input'; did you mean 'low'?"),
                                  ({"mask": "low", "other": "low"}, "'low' makes a mask, not labels"),
                                  ({"mask": "low", "images": ["input", "low"]}, "'low' makes a mask, not an image"),
                                  ({"mask": "low", "images": ["input"] * 4}, "a list of at most 3"),
                                  ({"mask": "low", "images": []}, "a list of at most 3"),
                                  ({"mask": ["low"]}, "expected the name of an earlier step")):
            with self.subTest(parameters=parameters):
                self.assertIn(words, self.run_trial(parameters, "whole", None, expected=2))


if __name__ == "__main__":
    unittest.main()
