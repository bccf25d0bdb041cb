"""The steps label, relabel, clean_mask, fill_holes and hysteresis against scipy and scikit-image, for whole images and
tiles, ranks and threads; relabel also against cc3d, where it is installed."""
import itertools
import unittest

import h5py
import numpy
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation

from harness import QUICK, SystemTest

try:
    import cc3d
except ImportError:
    cc3d = None
    print("NOT COMPARED with cc3d, which is not installed; with scikit-image, as ever", flush=True)

WAYS = [("whole", None, 1), ("9x13x8", 3, 2), ("8x16x16", None, 2), ("whole", 2, 1), ("8x8x8", 5, 1)]
if QUICK:
    WAYS = WAYS[:2]
LEVEL = 50


def spiral(edge):
    """A path, one voxel wide, that winds from the outside in and never touches itself."""
    path = numpy.zeros((edge, edge), numpy.uint8)
    y = x = 0
    for turn, length in enumerate(l for n in range(edge - 1, 0, -2) for l in ((n, n) if n < edge - 1 else (n, n, n))):
        dy, dx = ((0, 1), (1, 0), (0, -1), (-1, 0))[turn % 4]
        for _ in range(length):
            path[y, x] = 1
            y, x = y + dy, x + dx
    path[y, x] = 1
    return path


class Components(SystemTest):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "R.h5"
        random = numpy.random.default_rng(4)
        blobs = ndimage.gaussian_filter(random.normal(size=(21, 40, 45)), 1.5)
        self.masks = {"blobs": blobs > 0.2 * blobs.std(), "random": random.random((13, 29, 31)) < 0.5,
                      "shells": numpy.abs(numpy.sqrt(sum((g - 12.0)**2 for g in numpy.mgrid[:25, :25, :25])) - 6) < 1.5,
                      "plane": (ndimage.gaussian_filter(random.normal(size=(1, 60, 60)), 2) > 0),
                      "spiral": spiral(33)[None] > 0}

    def run_one(self, mask, step, tile, ranks, threads):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = mask.astype(numpy.uint8) * 100
        steps = [{"threshold": {"method": "fixed", "value": LEVEL, "keep": False}}, step]
        self.ok("run", self.workflow(str(self.folder / "i.h5"), steps), "--output", self.result, "--overwrite", "--tile", tile,
                ranks=ranks, threads=threads)
        name = next(iter(step))
        with h5py.File(self.result) as file:
            return file[f"{'labels' if name == 'label' else 'images'}/{name}"][...]

    def check(self, step, expected, names=None, ways=WAYS[:2]):
        for name in names or self.masks:
            wanted = expected(self.masks[name])
            for tile, ranks, threads in ways:
                with self.subTest(step=step, mask=name, tile=tile, ranks=ranks):
                    numpy.testing.assert_array_equal(self.run_one(self.masks[name], step, tile, ranks, threads), wanted)

    def test_numbers(self):
        """As an un-tiled scan numbers, for each connectivity; 4 and 8 take every plane for itself."""
        for connectivity, rank in ((6, 1), (18, 2), (26, 3)):
            self.check({"label": {"connectivity": connectivity}},
                       lambda mask: measure.label(mask, connectivity=min(rank, 2 if mask.shape[0] == 1 else 3)),
                       ["random", "spiral"], WAYS)
        for connectivity, rank in ((4, 1), (8, 2)):
            structure = numpy.zeros((3, 3, 3), bool)
            structure[1] = ndimage.generate_binary_structure(2, rank)
            self.check({"label": {"connectivity": connectivity}}, lambda mask: ndimage.label(mask, structure)[0],
                       ["random", "plane"])

    def test_size_and_border(self):
        def kept(mask, least, most, border):
            labels = measure.label(mask, connectivity=1)
            if not border:
                cut = [p for p in numpy.unique(labels) if p and touches(labels == p)]
                labels[numpy.isin(labels, cut)] = 0
            sizes = numpy.bincount(labels.ravel())
            labels[(sizes < least)[labels] | (sizes > most)[labels]] = 0
            return segmentation.relabel_sequential(labels)[0]

        def touches(inside):
            return any(inside.take(end, axis).any() for axis in range(3) if inside.shape[axis] > 1 for end in (0, -1))
        for least, most, border in ((6, 10**9, True), (2, 40, True), (0, 10**9, False), (4, 60, False)):
            step = {"label": {"connectivity": 6, "min_size": least, "max_size": most, "exclude_border": not border}}
            self.check(step, lambda mask: kept(mask, least, most, border), ["blobs", "random", "plane"])
            step = {"clean_mask": {"min_size": least, "max_size": most, "exclude_border": not border}}
            self.check(step, lambda mask: kept(mask, least, most, border) > 0, ["blobs", "random", "plane"], WAYS[1:2])

    def run_relabel(self, image, before, parameters, tile, ranks, threads):
        """Labels as steps make them, and the outcome of relabel."""
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
        steps = [*before, {"relabel": parameters}]
        self.ok("run", self.workflow(str(self.folder / "i.h5"), steps), "--output", self.result, "--overwrite", "--tile", tile,
                ranks=ranks, threads=threads)
        with h5py.File(self.result) as file:
            return file[f"labels/{next(iter(before[-1]))}"][...], file["labels/relabel"][...]

    def test_parts_of_labels(self):
        """Objects that touch each other, and objects that hang together by corners alone, come apart as with others."""
        noise = numpy.random.default_rng(6).normal(size=(13, 30, 33)).astype(numpy.float32)
        mask = {"threshold": {"method": "fixed", "value": 0.8, "keep": False}}
        sources = {"apart": [mask, {"label": {"connectivity": 26, "keep": True}}],
                   "touching": [{"watershed": {"keep": True}}],
                   "grown": [mask, {"label": {"connectivity": 26, "keep": False}}, {"grow_labels": {"along": "input", "keep": True}}]}
        for (name, before), (connectivity, rank) in itertools.product(sources.items(), ((6, 1), (18, 2), (26, 3))):
            for tile, ranks, threads in WAYS if connectivity == 6 else WAYS[1:2]:
                with self.subTest(labels=name, connectivity=connectivity, tile=tile, ranks=ranks):
                    given, found = self.run_relabel(noise, before, {"connectivity": connectivity}, tile, ranks, threads)
                    numpy.testing.assert_array_equal(found, measure.label(given, connectivity=rank))
                    if connectivity == 6 and name == "apart":
                        self.assertGreater(found.max(), given.max(), "nothing came apart")
                    if cc3d:
                        theirs = cc3d.connected_components(given, connectivity=connectivity)
                        numpy.testing.assert_array_equal(found, segmentation.relabel_sequential(theirs)[0])

    def test_parts_by_size(self):
        noise = numpy.random.default_rng(7).normal(size=(11, 28, 31)).astype(numpy.float32)
        before = [{"threshold": {"method": "fixed", "value": 0.6, "keep": False}}, {"label": {"connectivity": 26}}]
        for tile, ranks, threads in WAYS[:2]:
            given, found = self.run_relabel(noise, before, {"connectivity": 6, "min_size": 3, "max_size": 9}, tile, ranks, threads)
            parts = measure.label(given, connectivity=1)
            sizes = numpy.bincount(parts.ravel())
            parts[(sizes < 3)[parts] | (sizes > 9)[parts]] = 0
            numpy.testing.assert_array_equal(found, segmentation.relabel_sequential(parts)[0])

    def test_clean_as_scikit_image(self):
        self.check({"clean_mask": {"min_size": 12, "connectivity": 26}},
                   lambda mask: morphology.remove_small_objects(mask, 12, connectivity=3), ["blobs", "random"], WAYS[1:2])

    def test_holes(self):
        self.check({"fill_holes": {}}, lambda mask: ndimage.binary_fill_holes(mask[0])[None] if mask.shape[0] == 1
                   else ndimage.binary_fill_holes(mask), None, WAYS)
        self.check({"fill_holes": {"dimensions": 2}}, lambda mask: numpy.stack([ndimage.binary_fill_holes(p) for p in mask]),
                   ["blobs", "shells", "plane"])

    def test_small_holes(self):
        def filled(mask):
            outside = measure.label(~mask, connectivity=1)
            sizes = numpy.bincount(outside.ravel())
            border = numpy.unique(numpy.concatenate([outside.take(e, a).ravel() for a in range(3) for e in (0, -1)]))
            holes = [n for n in range(1, len(sizes)) if n not in border and sizes[n] <= 3]
            return mask | numpy.isin(outside, holes)
        self.check({"fill_holes": {"max_size": 3}}, filled, ["random", "shells"])

    def run_hysteresis(self, image, parameters, tile, ranks, threads):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
        self.ok("run", self.workflow(str(self.folder / "i.h5"), [{"hysteresis": parameters}]), "--output", self.result,
                "--overwrite", "--tile", tile, ranks=ranks, threads=threads)
        with h5py.File(self.result) as file:
            return file["images/hysteresis"][...]

    def test_hysteresis(self):
        random = numpy.random.default_rng(5)
        noise = random.normal(size=(14, 30, 33)).astype(numpy.float32)
        smooth = ndimage.gaussian_filter(noise, 1.2)
        # One path across all tiles: its only strong voxel is at one end, and decides for the other.
        path = spiral(33)[None].astype(numpy.float32)
        path[0, 0, 0] = 2
        for name, image, low, high in (("noise", noise, 0.4, 2.5), ("smooth", smooth, 0.05, 0.4),
                                       ("path", path, 0.5, 1.5), ("equal levels", noise, 1.0, 1.0),
                                       ("no strong voxel", noise, 0.0, 100.0), ("all strong", noise, -100.0, -50.0)):
            corners = ndimage.label(image > low, numpy.ones((3, 3, 3)))[0]
            strong = numpy.unique(corners[image > high])
            wanted = {6: filters.apply_hysteresis_threshold(image, low, high), 26: numpy.isin(corners, strong[strong > 0])}
            for connectivity, expected in wanted.items():
                for tile, ranks, threads in WAYS[1:2] if name != "path" else WAYS[2:]:
                    with self.subTest(image=name, connectivity=connectivity, tile=tile, ranks=ranks):
                        parameters = {"low": low, "high": high, "connectivity": connectivity}
                        found = self.run_hysteresis(image, parameters, tile, ranks, threads)
                        numpy.testing.assert_array_equal(found, expected)

    def test_empty_and_full(self):
        for value in (False, True):
            self.masks = {"even": numpy.full((5, 9, 11), value)}
            self.check({"label": {}}, lambda mask: mask.astype(int))
            self.check({"clean_mask": {"min_size": 5 * 9 * 11}}, lambda mask: mask)
            self.check({"clean_mask": {"exclude_border": True}}, lambda mask: mask & False)
            self.check({"fill_holes": {}}, lambda mask: mask)


if __name__ == "__main__":
    unittest.main()
