"""The step local_threshold against scikit-image, for whole images and tiles, ranks and threads."""
import unittest

import h5py
import numpy
from scipy import ndimage
from skimage import filters

from harness import SystemTest

WAYS = [("whole", None, 1), ("8x16x16", None, 2), ("9x13x8", 3, 1)]


class LocalThreshold(SystemTest):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "R.h5"
        random = numpy.random.default_rng(6)
        shade = numpy.linspace(50, 250, 45)
        self.volume = (shade * (1 + (ndimage.gaussian_filter(random.normal(size=(17, 40, 45)), 2) > 0.02))
                       + random.integers(0, 30, (17, 40, 45))).astype(numpy.uint16)
        self.plane = self.volume[5:6].astype(numpy.uint8)

    def run_one(self, image, parameters, tile, ranks, threads):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
        self.ok("run", self.workflow(str(self.folder / "i.h5"), [{"local_threshold": parameters}]), "--output", self.result,
                "--overwrite", "--tile", tile, ranks=ranks, threads=threads)
        with h5py.File(self.result) as file:
            return file["images/local_threshold"][...]

    def check(self, image, parameters, level, floor=0.0, ways=WAYS):
        """The same mask in all ways; where it is not scikit-image's, the voxel is as bright as the threshold."""
        first = None
        for tile, ranks, threads in ways:
            with self.subTest(parameters=parameters, tile=tile, ranks=ranks):
                found = self.run_one(image, parameters, tile, ranks, threads)
                first = found if first is None else first
                numpy.testing.assert_array_equal(found, first)
        wrong = first != ((image > level) & (image > floor))
        self.assertLess(numpy.abs(image - level)[wrong].max(initial=0), 1e-6 * image.max())
        self.assertTrue(0.05 < first.mean() < 0.95, first.mean())

    def test_sauvola_and_niblack(self):
        window = (5, 11, 7)
        radius = ["2 px", "5 px", "3 px"]
        self.check(self.volume, {"method": "sauvola", "radius": radius, "floor": "0 %", "k": 0.1, "r": 60},
                   filters.threshold_sauvola(self.volume, window, k=0.1, r=60))
        self.check(self.volume, {"method": "niblack", "radius": radius, "floor": "0 %", "k": -0.3},
                   filters.threshold_niblack(self.volume, window, k=-0.3))
        self.check(self.plane, {"method": "niblack", "radius": "4 px", "floor": "0 %"},
                   filters.threshold_niblack(self.plane[0], 9)[None])

    def test_phansalkar(self):
        f = (self.volume - float(self.volume.min())) / float(self.volume.max() - self.volume.min())
        pad = [(4, 4)] * 3
        mean = ndimage.uniform_filter(numpy.pad(f, pad, "reflect"), 9)[4:-4, 4:-4, 4:-4]
        square = ndimage.uniform_filter(numpy.pad(f * f, pad, "reflect"), 9)[4:-4, 4:-4, 4:-4]
        level = mean * (1 + 2 * numpy.exp(-10 * mean) + 0.25 * (numpy.sqrt(numpy.maximum(square - mean * mean, 0)) / 0.5 - 1))
        found = self.run_one(self.volume, {"method": "phansalkar", "radius": "4 px", "floor": "0 %"}, "8x16x16", 2, 1)
        wrong = found != (f > level)
        self.assertLess(numpy.abs(f - level)[wrong].max(initial=0), 2e-4)
        self.assertLess(wrong.mean(), 1e-3)

    def test_mean_with_a_floor(self):
        pad = [(3, 3)] * 3
        mean = ndimage.uniform_filter(numpy.pad(self.volume.astype(float), pad, "reflect"), 7)[3:-3, 3:-3, 3:-3]
        found = self.run_one(self.volume, {"radius": "3 px", "factor": 1.05, "offset": 2, "floor": "80 %"}, "9x13x8", 3, 1)
        floor = 0.8 * filters.threshold_li(self.volume)
        near = (numpy.abs(self.volume - 1.05 * mean - 2) < 1e-6) | (numpy.abs(self.volume - floor) < 2)
        numpy.testing.assert_array_equal(found[~near], ((self.volume > 1.05 * mean + 2) & (self.volume > floor))[~near])
        self.check(self.volume, {"radius": "3 px", "floor": "0 %"}, mean)

    def test_a_box_larger_than_the_image(self):
        image = self.volume[:3, :5, :7]
        pad = numpy.pad(image.astype(float), [(9, 9)] * 3, "reflect")
        level = sum(pad[z:z + 3, y:y + 5, x:x + 7] for z in range(19) for y in range(19) for x in range(19)) / 19**3
        found = self.run_one(image, {"radius": "9 px", "floor": "0 %"}, "8x8x8", None, 1)
        numpy.testing.assert_array_equal(found, image > level)

    def test_floats_are_quantised_finely(self):
        image = (self.volume / 511.0).astype(numpy.float32)
        pad = [(3, 3)] * 3
        mean = ndimage.uniform_filter(numpy.pad(image.astype(float), pad, "reflect"), 7)[3:-3, 3:-3, 3:-3]
        found = self.run_one(image, {"radius": "3 px", "floor": "0 %"}, "8x16x16", 2, 1)
        wrong = found != (image > mean)
        self.assertLess(numpy.abs(image - mean)[wrong].max(initial=0), 1e-5)

    def test_refused(self):
        with h5py.File(self.folder / "c.h5", "w") as file:
            file["c"] = numpy.full((3, 4, 5), 7, numpy.uint8)
        image = str(self.folder / "c.h5")
        for parameters, code, word in (({}, 2, "radius"), ({"radius": "2 px", "k": 1}, 2, "niblack"),
                                       ({"radius": "2 px"}, 1, "all voxels are 7")):
            self.fails(code, word, arguments=("run", self.workflow(image, [{"local_threshold": parameters}]), "--output",
                                              self.folder / "x.h5"))


if __name__ == "__main__":
    unittest.main()
