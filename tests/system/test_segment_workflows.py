"""The ready workflows for segmentation: on specimens with known truth, in tiles as in one piece, and on published images."""
import json
import unittest

import h5py
import numpy
import tifffile
import yaml
from scipy import ndimage
from skimage import metrics

from harness import ROOT, SystemTest, real_data


class Ready(SystemTest):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "R.h5"

    def labels(self, workflow, image, *options, source=None, **how):
        steps = yaml.safe_load((ROOT / f"workflows/{workflow}.yaml").read_text())
        file = self.write("w.yaml", json.dumps({**steps, "input": {"image": str(image), **(source or {})}}))
        self.ok("run", file, "--output", self.result, "--overwrite", *options, **how)
        with h5py.File(self.result) as found:
            self.assertGreater(found["tables/measure"].attrs["rows"], 0)
            return next(iter(found["labels"].values()))[...]

    def image(self, voxels, name="i"):
        with h5py.File(self.folder / f"{name}.h5", "w") as file:
            file["i"] = voxels
        return self.folder / f"{name}.h5"

    def ap50(self, truth, found):
        table = numpy.bincount((truth.astype(numpy.int64) * (int(found.max()) + 1) + found).ravel(),
                               minlength=(int(truth.max()) + 1) * (int(found.max()) + 1)).reshape(int(truth.max()) + 1, -1)
        union = table.sum(1)[1:, None] + table.sum(0)[None, 1:] - table[1:, 1:]
        matched = (table[1:, 1:] > 0.5 * union).sum()
        return matched / (len(numpy.unique(truth)) + len(numpy.unique(found)) - 2 - matched)

    def everywhere(self, workflow, image, *options, **how):
        """The labels, the same in one piece and in tiles on several ranks."""
        whole = self.labels(workflow, image, "--tile", "whole", *options, **how)
        tiled = self.labels(workflow, image, "--tile", "16x32x32", *options, ranks=3, **how)
        numpy.testing.assert_array_equal(whole, tiled)
        return whole


class Specimens(Ready):
    def test_nuclei_of_a_phantom(self):
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "32x96x96", "--objects", "14", "--seed", "5")
        labels = self.everywhere("nuclei-3d", self.folder / "p.ome.tif")
        truth = tifffile.imread(self.folder / "p_labels.ome.tif")
        self.assertLess(abs(int(labels.max()) - int(truth.max())), 3)
        self.assertLess(metrics.adapted_rand_error(truth, labels)[0], 0.1)

    def test_nuclei_of_a_plane(self):
        """Discs of very different brightness, some of which touch."""
        random, truth = numpy.random.default_rng(3), numpy.zeros((1, 150, 160), int)
        grid = numpy.mgrid[:150, :160]
        bright = numpy.full(truth.shape, 10.0)
        for n, (y, x) in enumerate((y, x) for y in range(15, 140, 26) for x in range(15, 150, 23)):
            inside = (grid[0] - y)**2 + (grid[1] - x)**2 < 11**2
            truth[0][inside] = n + 1
            bright[0][inside] = 60 + 25 * (n % 5)
        image = random.poisson(ndimage.gaussian_filter(bright, (0, 1, 1))).astype(numpy.uint16)
        labels = self.everywhere("nuclei-2d", self.image(image), "--set", "diameter=24 px")
        self.assertGreater(self.ap50(truth, labels), 0.9)

    def test_membranes(self):
        random = numpy.random.default_rng(8)
        seeds = random.uniform(0, 1, (30, 3)) * (30, 60, 60)
        grid = numpy.stack(numpy.mgrid[:30, :60, :60], -1).astype(float)
        away = numpy.sort(((grid[..., None, :] - seeds)**2).sum(-1)**0.5, -1)
        truth = 1 + ((grid[..., None, :] - seeds)**2).sum(-1).argmin(-1)
        image = random.poisson(20 + 150 * numpy.exp(-((away[..., 1] - away[..., 0]) / 2.5)**2)).astype(numpy.uint16)
        labels = self.everywhere("membranes-3d", self.image(image), "--set", "depth=12")
        self.assertLess(metrics.adapted_rand_error(truth, labels)[0], 0.1)

    def test_blobs(self):
        random = numpy.random.default_rng(9)
        image = numpy.zeros((24, 80, 80))
        places = [(z, y, x) for z in (6, 17) for y in range(8, 76, 14) for x in range(8, 76, 13)]
        for place in places:
            image[place] = random.uniform(2000, 6000)
        slope = numpy.linspace(20, 80, 80)
        image = random.poisson(slope + ndimage.gaussian_filter(image, 1.5)).astype(numpy.uint16)
        labels = self.everywhere("blobs", self.image(image))
        self.assertEqual(labels.max(), len(places))
        self.assertEqual(len({labels[place] for place in places} - {0}), len(places))


class Published(Ready):
    def test_nuclei_in_a_volume(self):
        path = real_data("segmentation/synthetic3d/nuclei3d_synth.h5")
        whole = self.labels("nuclei-3d", f"{path}:/raw")
        with h5py.File(path) as file:
            self.assertGreater(self.ap50(file["label"][...], whole), 0.93)
        numpy.testing.assert_array_equal(self.labels("nuclei-3d", f"{path}:/raw", "--tile", "48x64x64", ranks=2), whole)

    def test_nuclei_in_planes(self):
        folder = real_data("segmentation/stardist")
        found = self.labels("nuclei-2d", f"{folder}/stardist_data_images_img2d.tif")
        truth = tifffile.imread(f"{folder}/stardist_data_images_mask2d.tif")
        self.assertGreater(self.ap50(truth, found[0]), 0.62)

    def test_fields_of_cells(self):
        path = real_data("segmentation/bbbc039/bbbc039_50.h5")
        scores = []
        with h5py.File(path) as file:
            for field in (0, 9, 20, 45):
                found = self.labels("nuclei-2d", f"{path}:/raw", "--set", "local_threshold.floor=120 %",
                                    source={"axes": "tyx", "time": field})
                scores.append(self.ap50(file["label"][field], found[0]))
        self.assertGreater(numpy.mean(scores), 0.85)


if __name__ == "__main__":
    unittest.main()
