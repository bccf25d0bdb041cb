"""The steps threshold and local_threshold against scikit-image, for types, tiles, ranks and threads."""
import json
import unittest

import h5py
import numpy
from skimage import filters

from harness import SystemTest

TYPES = ("u1", "u2", "i1", "f4")
WAYS = [("whole", None, 1), ("9x16x24", None, 2), ("7x40x23", 3, 1)]
METHODS = {"otsu": filters.threshold_otsu, "li": filters.threshold_li, "triangle": filters.threshold_triangle,
           "isodata": filters.threshold_isodata, "yen": filters.threshold_yen, "mean": filters.threshold_mean}


def specimen(kind, shape=(18, 40, 46)):
    """Three populations."""
    rng = numpy.random.default_rng(7)
    places = numpy.kron(rng.integers(0, 8, [-(-n // 6) for n in shape]), numpy.ones((6, 6, 6), int))
    places = places[tuple(slice(n) for n in shape)]
    level = numpy.choose(numpy.clip(places - 4, 0, 2), [20, 60, 90])
    image = rng.normal(level, 6)
    if kind == "u2":
        image = image * 30 + 1000
    if kind == "i1":
        image -= 50
    if kind == "f4":
        image = image / 7 - 3.3
    return image.astype(kind) if kind == "f4" else numpy.rint(image).clip(numpy.iinfo(kind).min, numpy.iinfo(kind).max).astype(kind)


class Thresholds(SystemTest):
    STEP = "threshold"

    def save(self, image):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
        return str(self.folder / "i.h5")

    def masks(self, image, parameters, ways=WAYS[1:2]):
        """The mask and what was decided; the same for all ways of running."""
        path, first = self.save(image), None
        for tile, ranks, threads in ways:
            out = self.folder / "R.h5"
            self.ok("run", self.workflow(path, [{self.STEP: {**parameters, "keep": True}}]), "--output", out, "--overwrite",
                    "--tile", tile, ranks=ranks, threads=threads)
            with h5py.File(out) as file:
                mask = file[f"images/{self.STEP}"][...]
            first = mask if first is None else first
            self.assertEqual(mask.tobytes(), first.tobytes(), (parameters, tile, ranks, threads))
        decisions = json.loads((self.folder / "R.provenance.json").read_text())["decisions"]
        return first, {name: value for decision in decisions for name, value in decision["facts"].items()}


class Global(Thresholds):
    def test_methods_are_scikit_images(self):
        for kind in TYPES:
            image = specimen(kind)
            bins = {"bins": 256} if kind == "f4" else {}
            one_bin = float(numpy.ptp(image)) / 256 if kind == "f4" else 1
            for method, function in METHODS.items():
                with self.subTest(kind=kind, method=method):
                    mask, facts = self.masks(image, {"method": method, **bins}, WAYS if kind == "u2" else WAYS[1:2])
                    expected = function(image.astype(float) if kind == "i1" and method == "li" else image)
                    self.assertLessEqual(abs(facts["threshold"] - expected), one_bin * 1.001)
                    numpy.testing.assert_array_equal(mask, image > numpy.float32(facts["threshold"]))

    def test_multi_otsu(self):
        for kind in TYPES:
            image = specimen(kind)
            for classes in (3, 4) if kind in ("u1", "i1") else (3,):
                with self.subTest(kind=kind, classes=classes):
                    bins = {} if kind in ("u1", "i1") else {"bins": 256}
                    _, facts = self.masks(image, {"method": "multi-otsu", "classes": classes, "level": 2, **bins})
                    expected = filters.threshold_multiotsu(image if kind in ("u1", "i1") else image.astype("f4"), classes)
                    found = [facts[f"level_{c}"] for c in range(1, classes)]
                    one_bin = 1 if not bins else float(numpy.ptp(image.astype(float))) / 256
                    self.assertLessEqual(numpy.abs(numpy.array(found) - expected).max(), one_bin * 1.001)
                    self.assertAlmostEqual(facts["threshold"], found[1], 4)

    def test_percentile_is_exact(self):
        image = specimen("f4")
        _, facts = self.masks(image, {"method": "percentile", "percent": "83 %"}, WAYS)
        ordered = numpy.sort(image, axis=None)
        self.assertEqual(numpy.float32(facts["threshold"]), ordered[int(numpy.ceil(0.83 * ordered.size)) - 1])

    def test_factor_and_offset(self):
        _, plain = self.masks(specimen("u1"), {})
        _, facts = self.masks(specimen("u1"), {"factor": 0.5, "offset": 3})
        self.assertEqual(facts["threshold"], plain["threshold"] * 0.5 + 3)

    def test_no_threshold(self):
        path = self.save(numpy.full((4, 9, 9), 7, "u1"))
        for method in ("otsu", "li", "multi-otsu"):
            workflow = self.workflow(path, [{"threshold": {"method": method}}])
            self.fails(1, "threshold", "all voxels are 7", arguments=("run", workflow, "--output", self.folder / "x.h5"))
        self.fails(2, "level", arguments=("check", self.workflow(path, [{"threshold": {"method": "multi-otsu", "level": 3}}])))
        self.fails(2, "percent", arguments=("check", self.workflow(path, [{"threshold": {"percent": "3 %"}}])))


if __name__ == "__main__":
    unittest.main()
