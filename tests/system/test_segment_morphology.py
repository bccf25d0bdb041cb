"""Grey-value morphology against scipy's, for whole images and tiles, ranks and threads."""
import unittest

import h5py
import numpy
from scipy import ndimage

from harness import QUICK, SystemTest

SHAPE, PLANE = (14, 40, 47), (1, 60, 71)
WAYS = [("whole", None, 1), ("5x16x16", 3, 1), ("7x40x23", None, 2)]
SCIPY = {"erode": ndimage.grey_erosion, "dilate": ndimage.grey_dilation, "open": ndimage.grey_opening,
         "close": ndimage.grey_closing, "tophat": ndimage.white_tophat, "bottomhat": ndimage.black_tophat}


def squares(radius):
    """(dz / rz)^2 + (dy / ry)^2 + (dx / rx)^2 over a box; along an axis of radius 0 there is but 0."""
    axes = numpy.ogrid[tuple(slice(-r, r + 1) for r in radius)]
    return sum((axis / max(r, 1)) ** 2 for axis, r in zip(axes, radius)) + numpy.zeros([2 * r + 1 for r in radius])


class Morphology(SystemTest):
    def setUp(self):
        super().setUp()
        rng = numpy.random.default_rng(3)
        self.images = {}
        with h5py.File(self.folder / "i.h5", "w") as file:
            for shape in (SHAPE, PLANE):
                image = ndimage.gaussian_filter(rng.gamma(2, 50, shape), [s > 1 for s in shape]).astype(numpy.float32)
                image[:, 10:30, 5:25] += 40
                self.images[shape] = file[f"{shape[0]}"] = image
            file["14"].attrs["element_size_um"] = (0.5, 0.25, 0.25)

    def check(self, shape, step, expected, ways, tolerance=0):
        name, first = next(iter(step)), None
        workflow = self.workflow(f"{self.folder / 'i.h5'}:/{shape[0]}", [step])
        for tile, ranks, threads in ways:
            with self.subTest(step=step, tile=tile, ranks=ranks):
                self.ok("run", workflow, "--output", self.folder / "o.h5", "--overwrite", "--tile", tile, ranks=ranks,
                        threads=threads)
                with h5py.File(self.folder / "o.h5") as file:
                    found = file[f"images/{name}"][...]
                first = found if first is None else first
                numpy.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
                self.assertEqual(found.tobytes(), first.tobytes())

    def test_boxes(self):
        for operation, function in SCIPY.items():
            expected = function(self.images[SHAPE], size=(3, 7, 5), mode="reflect")
            self.check(SHAPE, {"morphology": {"operation": operation, "shape": "box", "radius": ["1 px", "3 px", "2 px"]}},
                       expected, WAYS[:2] if QUICK else WAYS)

    def test_balls(self):
        ball = squares((2, 4, 4)) <= 1 + 1e-9
        for operation, function in SCIPY.items():
            expected = function(self.images[SHAPE], footprint=ball, mode="reflect")
            self.check(SHAPE, {"morphology": {"operation": operation, "radius": "1 um"}}, expected,
                       WAYS[:2] if QUICK else WAYS)

    def test_a_plane(self):
        disk = squares((0, 6, 6)) <= 1 + 1e-9
        self.check(PLANE, {"morphology": {"operation": "tophat", "radius": "6 px"}},
                   ndimage.white_tophat(self.images[PLANE], footprint=disk, mode="reflect"), [("1x24x32", 2, 1)])
        self.check(PLANE, {"morphology": {"operation": "close", "radius": "100 px", "shape": "box"}},
                   ndimage.grey_closing(self.images[PLANE], size=(1, 201, 201), mode="reflect"), [("1x24x32", 2, 1)])

    def test_paraboloids(self):
        for shape, radius in ((SHAPE, (2, 5, 7)), (PLANE, (0, 9, 9))):
            size, bowl = [2 * r + 1 for r in radius], -25 * squares(radius)
            background = ndimage.grey_opening(self.images[shape].astype(float), size=size, structure=bowl, mode="reflect")
            step = {"radius": [f"{r} px" for r in radius], "height": 25}
            self.check(shape, {"paraboloid": step}, self.images[shape] - background, WAYS[:2], 1e-4)
            self.check(shape, {"paraboloid": {**step, "output": "background"}}, background, WAYS[2:], 1e-4)

    def test_refused(self):
        for parameters, words in (({}, ("operation",)), ({"operation": "open", "radius": "129 px"}, ("at most 128",))):
            workflow = self.workflow(f"{self.folder / 'i.h5'}:/14", [{"morphology": parameters}])
            self.fails(2, *words, arguments=("run", workflow, "--output", self.folder / "x.h5"))


if __name__ == "__main__":
    unittest.main()
