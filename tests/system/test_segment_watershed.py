"""The steps watershed and grow_labels against scikit-image's, for whole images and tiles, ranks and threads."""
import unittest

import h5py
import numpy
from scipy import ndimage
from skimage import measure, metrics, morphology, segmentation

from harness import SystemTest

WAYS = [("whole", None, 1), ("whole", None, 2), ("16x16x16", 3, 1), ("32x16x48", 2, 2)]


def landscape(shape=(31, 66, 70)):
    """Smooth, and no two voxels alike."""
    f = ndimage.gaussian_filter(numpy.random.default_rng(1).normal(size=shape), 2)
    f = (f / f.std()).astype(numpy.float32)
    assert len(numpy.unique(f)) > 0.99 * f.size
    return f


class Watershed(SystemTest):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "R.h5"

    def run_one(self, image, steps, tile="whole", ranks=None, threads=1):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
        self.ok("run", self.workflow(str(self.folder / "i.h5"), steps), "--output", self.result, "--overwrite", "--tile", tile,
                ranks=ranks, threads=threads)
        found = {}
        with h5py.File(self.result) as file:
            file.visititems(lambda name, item: found.update({name.split("/")[1]: item[()]})
                            if isinstance(item, h5py.Dataset) and not name.startswith("provenance") else None)
        return found

    def everywhere(self, image, steps, name, ways=None):
        """The labels, the same in all ways to run."""
        first = None
        for tile, ranks, threads in ways or WAYS:
            with self.subTest(steps=steps, tile=tile, ranks=ranks, threads=threads):
                found = self.run_one(image, steps, tile, ranks, threads)
                first = first or found
                numpy.testing.assert_array_equal(found[name], first[name])
        return first

    def test_all_maxima(self):
        f = landscape()
        labels = self.everywhere(f, [{"watershed": {}}], "watershed")["watershed"]
        seeds = measure.label(morphology.local_maxima(f, connectivity=1), connectivity=1)
        self.assertEqual(labels.max(), seeds.max())
        self.assertEqual(metrics.adapted_rand_error(segmentation.watershed(-f, seeds), labels)[0], 0)

    def test_seeds_that_stand_out(self):
        """As many as scikit-image's h-maxima, each with one of them in it; numbered by their highest voxels."""
        f = landscape()
        for h in (0.5, 1.0):
            labels = self.everywhere(f, [{"watershed": {"h": h}}], "watershed", WAYS[:3])["watershed"]
            seeds = measure.label(morphology.h_maxima(f, h, footprint=ndimage.generate_binary_structure(3, 1)), connectivity=1)
            self.assertEqual(labels.max(), seeds.max())
            inside = {tuple(numpy.unique(labels[seeds == s])) for s in range(1, seeds.max() + 1)}
            self.assertEqual(inside, {(label,) for label in range(1, labels.max() + 1)})
            peaks = ndimage.maximum_position(f, labels, range(1, labels.max() + 1))
            order = [numpy.ravel_multi_index(p, f.shape) for p in peaks]
            self.assertEqual(order, sorted(order))

    def test_from_minima(self):
        f = landscape()
        up = self.run_one(f, [{"watershed": {"h": 0.5}}])["watershed"]
        down = self.run_one(-f, [{"watershed": {"h": 0.5, "from": "minima"}}], "16x16x16", 2)["watershed"]
        numpy.testing.assert_array_equal(up, down)

    def test_within_a_mask(self):
        f = landscape()
        steps = [{"threshold": {"method": "fixed", "value": 0.2}}, {"distance": {"unit": "px", "limit": "4 px", "keep": True}},
                 {"gaussian": {"sigma": "1 px", "keep": True}}, {"watershed": {"mask": "threshold", "h": 0.2}}]
        steps[0]["threshold"]["keep"] = True
        found = self.everywhere(f, steps, "watershed", WAYS[:3])
        labels, mask = found["watershed"], found["threshold"]
        numpy.testing.assert_array_equal(labels > 0, mask > 0)
        for label in range(1, labels.max() + 1):
            self.assertEqual(ndimage.label(labels == label)[1], 1, "an object is in several pieces")
        self.assertGreater(labels.max(), ndimage.label(mask)[1])

    def test_grow(self):
        f = landscape()
        steps = [{"threshold": {"method": "fixed", "value": 1.2, "keep": True}}, {"label": {"connectivity": 6}},
                 {"grow_labels": {"along": "input"}}]
        found = self.everywhere(f, steps, "grow_labels")
        theirs = segmentation.watershed(-f, found["label"].astype(int))
        self.assertLessEqual(metrics.adapted_rand_error(theirs, found["grow_labels"])[0], 0.005)
        numpy.testing.assert_array_equal(found["grow_labels"][found["label"] > 0], found["label"][found["label"] > 0])
        steps[2]["grow_labels"]["mask"] = "threshold"
        found = self.everywhere(f, steps, "grow_labels", WAYS[:3])
        numpy.testing.assert_array_equal(found["grow_labels"], found["label"])

    def test_plateaus_of_whole_numbers(self):
        """Few levels: with plateaus divided by distance, labels are much closer to scikit-image's."""
        f = numpy.round(landscape((24, 50, 61)) * 3 + 128).clip(0, 255).astype(numpy.uint8)
        seeds = measure.label(morphology.local_maxima(f, connectivity=1), connectivity=1)
        theirs = segmentation.watershed(255 - f.astype(int), seeds)
        errors = []
        for plateau in (0, 8):
            ours = self.everywhere(f, [{"watershed": {"plateau": plateau}}], "watershed", WAYS[1:])["watershed"]
            self.assertEqual(ours.max(), seeds.max())
            errors.append(metrics.adapted_rand_error(theirs, ours)[0])
        self.assertLess(errors[1], 0.8 * errors[0])

    def test_flat_objects_that_touch(self):
        """Two flat discs with a brighter core each are parted in the middle, whether seeds are found or given; of voxels
        in the middle column either is right."""
        y, x = numpy.mgrid[:60, :121]
        f = numpy.zeros((1, 60, 121), numpy.uint8)
        for centre in (36, 84):
            f[0, (y - 30) ** 2 + (x - centre) ** 2 < 26 ** 2] = 200
        for centre in (36, 84):
            f[0, (y - 30) ** 2 + (x - centre) ** 2 < 16] = 250
        objects, left = f[0] > 0, x < 60
        known = objects & (x != 60)
        for plateau, right in ((40, True), (0, False)):
            labels = self.everywhere(f, [{"watershed": {"h": 10, "plateau": plateau}}], "watershed", WAYS[:3])["watershed"]
            self.assertEqual(bool((labels[0][known] == numpy.where(left, 1, 2)[known]).all()), right)
            steps = [{"threshold": {"method": "fixed", "value": 225}}, {"label": {"connectivity": 6}},
                     {"grow_labels": {"along": "input", "plateau": plateau}}]
            labels = self.everywhere(f, steps, "grow_labels", WAYS[:3])["grow_labels"]
            self.assertEqual(bool((labels[0][known] == numpy.where(left, 1, 2)[known]).all()), right)

    def test_paths_through_many_tiles(self):
        """A tube that goes up and down through all planes, and falls all the way along."""
        f = numpy.full((12, 3, 33), 1000.0, numpy.float32)
        level, up = 900.0, True
        for x in range(0, 33, 2):
            for z in (range(12) if up else range(11, -1, -1)):
                f[z, 1, x] = level = level - 1
            if x + 1 < 33:
                f[11 if up else 0, 1, x + 1] = level = level - 1
            up = not up
        steps = [{"watershed": {"from": "minima", "h": 50}}]
        labels = self.everywhere(f, steps, "watershed", [("whole", None, 1), ("16x16x16", 3, 1)])["watershed"]
        self.assertEqual((labels.min(), labels.max()), (1, 1))

    def test_flat_and_small(self):
        """Equal neighbours are one minimum: one object."""
        for shape in ((1, 1, 1), (1, 7, 9), (4, 1, 5)):
            labels = self.everywhere(numpy.full(shape, 5, numpy.uint8), [{"watershed": {}}], "watershed",
                                     [("whole", None, 1), ("whole", 3, 1)])["watershed"]
            self.assertEqual((labels.min(), labels.max()), (1, 1))

    def test_nothing_in_the_mask(self):
        steps = [{"threshold": {"method": "fixed", "value": 1e6}}, {"distance": {"limit": "2 px"}},
                 {"watershed": {"mask": "threshold"}}]
        found = self.everywhere(landscape((5, 9, 11)), steps, "watershed", [("whole", None, 1), ("whole", 2, 1)])
        self.assertEqual(found["watershed"].max(), 0)

    def test_refused(self):
        image = str(self.folder / "i.h5")
        self.run_one(landscape((4, 5, 6)), ["threshold"])
        for steps, word in (([{"watershed": {"h": -1}}], "out of range"), ([{"watershed": {"plateau": 101}}], "out of range"), ([{"watershed": {"mask": "input"}}], "no earlier step"),
                            (["threshold", "label", "grow_labels"], "along")):
            self.fails(2, word, arguments=("run", self.workflow(image, steps), "--output", self.folder / "x.h5"))


if __name__ == "__main__":
    unittest.main()
