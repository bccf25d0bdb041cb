"""The step mask_morphology against scipy's binary morphology, for whole images and tiles, ranks and threads."""
import unittest

import h5py
import numpy
from scipy import ndimage

from harness import QUICK, SystemTest

WAYS = [("whole", None, 1), ("5x16x16", 3, 1), ("7x40x23", None, 2), ("9x13x50", 5, 1)]


def ball(radius):
    axes = numpy.ogrid[tuple(slice(-r, r + 1) for r in radius)]
    return sum((axis / max(r, 1)) ** 2 for axis, r in zip(axes, radius)) <= 1 + 1e-9


def erode(mask, shape):  # what is beyond the image is no background
    return ndimage.binary_erosion(mask, shape, border_value=1)


EXPECTED = {"erode": erode, "dilate": ndimage.binary_dilation,
            "open": lambda mask, shape: ndimage.binary_dilation(erode(mask, shape), shape),
            "close": lambda mask, shape: erode(ndimage.binary_dilation(mask, shape), shape)}


class MaskMorphology(SystemTest):
    def run_all(self, image, radius, ways):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
            file["i"].attrs["element_size_um"] = (0.5, 0.25, 0.25)
        reach = [int(word.split()[0]) for word in radius] if isinstance(radius, list) else (2, 4, 4)
        for operation, function in EXPECTED.items():
            workflow = self.workflow(str(self.folder / "i.h5"),
                                     [{"threshold": {"method": "fixed", "value": 100}},
                                      {"mask_morphology": {"operation": operation, "radius": radius}}])
            for tile, ranks, threads in ways:
                with self.subTest(operation=operation, radius=radius, tile=tile, ranks=ranks):
                    self.ok("run", workflow, "--output", self.folder / "o.h5", "--overwrite", "--tile", tile, ranks=ranks,
                            threads=threads)
                    with h5py.File(self.folder / "o.h5") as file:
                        found = file["images/mask_morphology"][...]
                    numpy.testing.assert_array_equal(found, function(image > 100, ball(reach)))

    def test_volumes(self):
        smooth = ndimage.gaussian_filter(numpy.random.default_rng(1).normal(size=(14, 40, 47)), 1.5)
        image = (100 + 400 * smooth).clip(0, 255).astype(numpy.uint8)
        self.run_all(image, "1 um", WAYS[:2] if QUICK else WAYS)
        self.run_all(image, ["1 px", "3 px", "2 px"], WAYS[1:2] if QUICK else WAYS[1:3])

    def test_a_plane_and_all_or_nothing(self):
        image = (numpy.random.default_rng(2).random((1, 60, 71)) < 0.9) * numpy.uint8(200)
        self.run_all(image, ["0 px", "6 px", "6 px"], [("1x24x32", 2, 1)])
        self.run_all(numpy.full((3, 20, 21), 7, numpy.uint8), "1 um", [("2x9x9", None, 1)])
        self.run_all(numpy.full((3, 20, 21), 207, numpy.uint8), "1 um", [("2x9x9", None, 1)])

    def test_refused(self):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = numpy.zeros((3, 20, 21), numpy.uint8)
        for parameters, word in (({}, "operation"), ({"operation": "open", "radius": "1001 px"}, "at most 1000"),
                                 ({"operation": "tophat"}, "tophat")):
            steps = ["threshold", {"mask_morphology": parameters}]
            self.fails(2, word, arguments=("run", self.workflow(str(self.folder / "i.h5"), steps), "--output",
                                           self.folder / "x.h5"))


if __name__ == "__main__":
    unittest.main()
