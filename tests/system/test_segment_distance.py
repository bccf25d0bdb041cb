"""The step distance against scipy's, for whole images and tiles, ranks and threads."""
import unittest

import h5py
import numpy
from scipy import ndimage

from harness import QUICK, SystemTest

WAYS = [("whole", None, 1), ("16x24x32", None, 2), ("9x40x23", 3, 1), ("whole", 2, 2), ("16x24x32", 5, 1), ("whole", 8, 1)]


class Distance(SystemTest):
    def setUp(self):
        super().setUp()
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "24x64x61", "--objects", "6", "--seed", "5")
        self.image, self.result = str(self.folder / "p.ome.tif"), self.folder / "R.h5"

    def run_one(self, image, parameters, tile, ranks, threads, level=60):
        steps = [{"threshold": {"method": "fixed", "value": level, "keep": True}}, {"distance": parameters}]
        self.ok("run", self.workflow(image, steps), "--output", self.result, "--overwrite", "--tile", tile, ranks=ranks,
                threads=threads)
        with h5py.File(self.result) as file:
            found = file["images/distance"]
            return file["images/threshold"][...], found[...], found.attrs.get("element_size_um")

    def check(self, parameters, expected, ways):
        first = None
        for tile, ranks, threads in ways:
            with self.subTest(parameters=parameters, tile=tile, ranks=ranks, threads=threads):
                mask, found, um = self.run_one(self.image, parameters, tile, ranks, threads)
                first = found if first is None else first
                numpy.testing.assert_allclose(found, expected(mask, um), rtol=2e-7)
                self.assertEqual(found.tobytes(), first.tobytes())

    def test_the_whole_image(self):
        self.check({}, lambda mask, um: ndimage.distance_transform_edt(mask, sampling=um), WAYS)
        self.check({"unit": "px"}, lambda mask, um: ndimage.distance_transform_edt(mask), WAYS[:2])

    def test_with_a_limit(self):
        def cut(limit, by_voxel=False):
            return lambda mask, um: numpy.minimum(ndimage.distance_transform_edt(mask, sampling=1 if by_voxel else um), limit)
        self.check({"limit": "1.3 um"}, cut(1.3), WAYS[::2] if QUICK else WAYS)
        self.check({"limit": "5 px", "unit": "px"}, cut(5, True), WAYS[1:3])

    def test_the_border_is_background(self):
        def padded(mask, um):
            return ndimage.distance_transform_edt(numpy.pad(mask, 1), sampling=um)[1:-1, 1:-1, 1:-1]

        self.check({"border": True}, padded, WAYS[:3])
        self.check({"border": True, "limit": "1.3 um"}, lambda mask, um: numpy.minimum(padded(mask, um), 1.3), WAYS[:3])
        mask, found, um = self.run_one(self.image, {"border": True}, "whole", 3, 1, level=-1)
        numpy.testing.assert_allclose(found, padded(mask, um), rtol=2e-7)

    def test_a_plane_and_edges_in_no_ratio(self):
        image = (numpy.random.default_rng(2).random((1, 70, 90)) < 0.97) * numpy.uint8(200)
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
            file["i"].attrs["element_size_um"] = [1.0, 0.37, 0.2]
        for tile in ("whole", "1x32x32"):
            mask, found, um = self.run_one(str(self.folder / "i.h5"), {}, tile, 3, 1)
            sampling = um if um is not None else (1, 1, 1)
            numpy.testing.assert_allclose(found, ndimage.distance_transform_edt(mask, sampling=sampling), rtol=2e-7)

    def test_all_and_nothing(self):
        mask, found, _ = self.run_one(self.image, {}, "whole", None, 1, level=1e6)
        self.assertEqual((mask.max(), found.max()), (0, 0))
        mask, found, _ = self.run_one(self.image, {"limit": "2 um"}, "16x24x32", None, 1, level=-1)
        self.assertEqual((mask.min(), found.min(), found.max()), (1, 2, 2))
        steps = [{"threshold": {"method": "fixed", "value": -1}}, "distance"]
        for ranks in (None, 3):
            self.fails(1, "no background", "limit",
                       arguments=("run", self.workflow(self.image, steps), "--output", self.folder / "x.h5"), ranks=ranks)

    def test_refused(self):
        for parameters, word in (({"limit": ["1 um", "2 um", "2 um"]}, "one length"), ({"limit": "0 um"}, "out of range")):
            steps = ["threshold", {"distance": parameters}]
            self.fails(2, word, arguments=("run", self.workflow(self.image, steps), "--output", self.result))


if __name__ == "__main__":
    unittest.main()
