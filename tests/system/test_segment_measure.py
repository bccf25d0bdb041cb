"""The step measure against scikit-image and numpy: all columns, for whole images and tiles, ranks and threads."""
import unittest

import h5py
import numpy
from scipy import ndimage
from skimage import measure

from harness import SystemTest

WAYS = [("8x16x16", None, 2), ("9x13x8", 3, 1), ("1x40x5", 2, 1), ("whole", 2, 2)]
FIXED = {"threshold": {"method": "fixed", "value": 100, "keep": False}}
DIRECTIONS = [(z, y, x) for z in (0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)]


def blobs(shape, seed=4, sigma=1.5, level=0.6):
    """Bright, noisy objects on a noisy ground: float32."""
    random = numpy.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=shape), [sigma * (n > 1) for n in shape])
    image = numpy.where(field > level * field.std(), 101, 0) + 80 * random.random(shape)
    return image.astype(numpy.float32)


def crossings(labels, step):
    """Pairs of voxels one step from each other: their labels, with background all around."""
    around = numpy.pad(labels, 1)
    other = numpy.roll(around, [-s for s in step], (0, 1, 2))
    return around.ravel(), other.ravel()


class Measure(SystemTest):
    def setUp(self):
        super().setUp()
        self.result = self.folder / "R.h5"

    def run_steps(self, image, steps, tile="whole", ranks=None, threads=1, voxel=None):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
            if voxel:
                file["i"].attrs["element_size_um"] = numpy.array(voxel, float)
        self.ok("run", self.workflow(str(self.folder / "i.h5"), steps), "--output", self.result, "--overwrite", "--tile", tile,
                ranks=ranks, threads=threads)
        with h5py.File(self.result) as file:
            table = file["tables/measure"]
            self.units = {name: table[name].attrs["unit"] for name in table.attrs["columns"]}
            labels = next(iter(file["labels"].values()))[...]
            return labels, {name: table[name][...] for name in table.attrs["columns"]}

    def run_all(self, image, steps, voxel=None):
        """Un-tiled; and in tiles, over ranks, to the same bits."""
        labels, table = self.run_steps(image, steps, voxel=voxel)
        for tile, ranks, threads in WAYS:
            with self.subTest(tile=tile, ranks=ranks, threads=threads):
                _, other = self.run_steps(image, steps, tile, ranks, threads, voxel)
                self.assertEqual(list(table), list(other))
                for name in table:
                    self.assertEqual(table[name].tobytes(), other[name].tobytes(), name)
        return labels, table

    def check_regionprops(self, labels, image, table, names, renamed=lambda name: name):
        expected = measure.regionprops_table(labels, image, ("label", "area", "bbox", "centroid", *names))
        for name, wanted in expected.items():
            found = table[renamed(name)]
            if wanted.dtype.kind in "iu":
                numpy.testing.assert_array_equal(found, wanted, name)
            else:
                numpy.testing.assert_allclose(found, wanted, 1e-6, 1e-6, err_msg=name)

    def test_volume(self):
        image = blobs((21, 40, 45))
        labels, table = self.run_all(image, [FIXED, {"label": {"connectivity": 6}},
                                             {"measure": {"intensity": "input", "properties": "all"}}])
        self.assertGreater(len(table["label"]), 20)
        self.check_regionprops(labels, image, table, (
            "equivalent_diameter_area", "extent", "axis_major_length", "inertia_tensor_eigvals", "euler_number",
            "intensity_min", "intensity_max", "intensity_mean", "centroid_weighted"))
        with numpy.errstate(invalid="ignore"):
            eigenvalues = numpy.array([table[f"inertia_tensor_eigvals-{i}"] for i in range(3)])
            squares = 10 * numpy.array([eigenvalues[0] + eigenvalues[2] - eigenvalues[1], eigenvalues[1] + eigenvalues[2] - eigenvalues[0]])
        numpy.testing.assert_allclose(table["axis_middle_length"]**2, squares[0], 1e-6, 1e-6)
        numpy.testing.assert_allclose(table["axis_minor_length"]**2, squares[1], 1e-6, 1e-6)
        for row, label in enumerate(table["label"]):
            here = labels == label
            self.assertEqual(table["euler_number_faces"][row], measure.euler_number(here, 1))
            numpy.testing.assert_allclose(table["intensity_std"][row], image[here].std(dtype=float), 1e-9)
            numpy.testing.assert_allclose(table["intensity_sum"][row], image[here].sum(dtype=float), 1e-9)
            self.check_longest(table, row, numpy.argwhere(here))
        self.assertEqual((self.units["axis_major_length"], self.units["surface_area"]), ("voxel", "voxel^2"))

    def check_longest(self, table, row, places):
        """The largest distance of voxels, from above and below; the longest axis is an eigenvector."""
        steps = places[:, None] - places[None]
        longest = numpy.sqrt((steps**2).sum(-1).max())
        self.assertLessEqual(table["feret_diameter_max"][row], longest + 1 + 1e-9)
        self.assertGreaterEqual(table["feret_diameter_max"][row], 0.9 * longest)
        axis = numpy.array([table[f"axis_major-{a}"][row] for a in range(3)])
        numpy.testing.assert_allclose(numpy.linalg.norm(axis), 1, 1e-9)
        covariance = numpy.cov(places.T, bias=True) if len(places) > 1 else numpy.zeros((3, 3))
        numpy.testing.assert_allclose(covariance @ axis, table["axis_major_length"][row]**2 / 20 * axis, atol=1e-7)

    def test_plane(self):
        image = blobs((1, 90, 100))
        labels, table = self.run_all(image, [FIXED, "label", {"measure": {"intensity": "input", "properties": "all"}}])
        renamed = {"bbox-0": "bbox-1", "bbox-1": "bbox-2", "bbox-2": "bbox-4", "bbox-3": "bbox-5"}
        self.check_regionprops(
            labels[0], image[0], table,
            ("equivalent_diameter_area", "extent", "axis_major_length", "axis_minor_length", "inertia_tensor_eigvals",
             "eccentricity", "euler_number", "perimeter_crofton", "intensity_mean", "centroid_weighted"),
            lambda name: renamed.get(name, f"{name[:-1]}{int(name[-1]) + 1}" if name.startswith("centroid") else name))
        expected = measure.regionprops_table(labels[0], None, ("orientation", "feret_diameter_max", "inertia_tensor_eigvals"))
        # A circle has none; at exactly 45 degrees scikit-image 0.19 gives the other diagonal.
        known = (expected["inertia_tensor_eigvals-0"] > 1.01 * expected["inertia_tensor_eigvals-1"]) & (
            numpy.abs(expected["orientation"]) != numpy.pi / 4)
        self.assertGreater(numpy.count_nonzero(known), 20)
        turned = numpy.abs(table["orientation"] - expected["orientation"])[known]
        self.assertLess(numpy.minimum(turned, numpy.pi - turned).max(), 1e-6)
        # The hull of scikit-image's image reaches some half a pixel further.
        self.assertLess(numpy.abs(table["feret_diameter_max"] - expected["feret_diameter_max"]).max(), 1)

    def test_neighbours(self):
        """Watershed's objects lie side by side."""
        image = ndimage.gaussian_filter(blobs((17, 30, 33), 5), 1)
        steps = [{"watershed": {"h": 3}}, {"measure": {"neighbours": True, "surface": True}}]
        labels, table = self.run_all(image, steps)
        self.assertEqual(sorted(set(table) - {"label", "area"} - {n for n in table if n.startswith(("bbox", "centroid"))}),
                         ["contact_area", "euler_number", "euler_number_faces", "neighbours", "sphericity", "surface_area"])
        rows = {label: row for row, label in enumerate(table["label"])}
        weights = {1: 0.0457778, 2: 0.0369806, 3: 0.0351956}  # of directions, by how many axes they go along
        surface, contact = numpy.zeros((2, len(rows)))
        touching = {label: set() for label in rows}
        for step in DIRECTIONS:
            axes = numpy.count_nonzero(step)
            a, b = crossings(labels, step)
            for one, other in ((a, b), (b, a)):
                differ = (one != other) & (one > 0)
                for name, sums, chosen in (("surface", surface, differ), ("contact", contact, differ & (other > 0))):
                    counts = numpy.bincount(one[chosen], minlength=max(rows) + 1)
                    sums += 4 * weights[axes] / numpy.sqrt(axes) * counts[table["label"]]
                for pair in set(zip(one[differ & (other > 0)], other[differ & (other > 0)])):
                    touching[pair[0]].add(pair[1])
        numpy.testing.assert_allclose(table["surface_area"], surface, 1e-5)
        numpy.testing.assert_allclose(table["contact_area"], contact, 1e-5)
        numpy.testing.assert_array_equal(table["neighbours"], [len(touching[label]) for label in table["label"]])
        self.assertGreater(table["neighbours"].max(), 5)

    def test_known_bodies(self):
        z, y, x = numpy.mgrid[-24:25, -24:25, -24:25].astype(float)
        ball = z**2 + y**2 + x**2 <= 400
        hollow = ball & (z**2 + y**2 + x**2 > 144)
        torus = (numpy.hypot(y, x) - 15)**2 + z**2 <= 36
        sizes = 4 * numpy.pi * 400, 4 * numpy.pi * (400 + 144), 4 * numpy.pi**2 * 15 * 6
        for body, size, euler in ((ball, sizes[0], 1), (hollow, sizes[1], 2), (torus, sizes[2], 0)):
            _, table = self.run_steps(200.0 * body, [FIXED, "label", {"measure": {"surface": True}}], "16x17x49")
            numpy.testing.assert_allclose(table["surface_area"], [size], 0.02)
            self.assertEqual((table["euler_number"][0], table["euler_number_faces"][0]), (euler, euler))

    def test_voxels_that_are_not_cubes(self):
        """An ellipsoid with axes of 18, 12 and 10 um, turned; lengths are in micrometres."""
        voxel = (0.5, 0.25, 0.2)
        places = numpy.stack(numpy.meshgrid(*[(numpy.arange(n) - n // 2) * v for n, v in zip((41, 81, 101), voxel)], indexing="ij"))
        turn = numpy.linalg.qr(numpy.random.default_rng(1).normal(size=(3, 3)))[0]
        radii = numpy.array([9, 6, 5])
        inside = ((numpy.tensordot(turn, places, 1) / radii[:, None, None, None])**2).sum(0) <= 1
        _, table = self.run_steps(200.0 * inside, [FIXED, "label", {"measure": {"properties": "all"}}], "16x32x48", 2, voxel=voxel)
        self.assertEqual((self.units["axis_major_length"], self.units["surface_area"], self.units["volume"]), ("um", "um^2", "um^3"))
        lengths = [table[f"axis_{name}_length"][0] for name in ("major", "middle", "minor")]
        numpy.testing.assert_allclose(lengths, 2 * radii, 0.01)
        self.assertGreater(abs(turn[0] @ [table[f"axis_major-{a}"][0] for a in range(3)]), 0.999)
        p = 1.6075  # Thomsen's formula, within 1.1 %
        a, b, c = radii**p
        numpy.testing.assert_allclose(table["surface_area"][0], 4 * numpy.pi * ((a * b + a * c + b * c) / 3)**(1 / p), 0.03)
        numpy.testing.assert_allclose(table["volume"][0], 4 / 3 * numpy.pi * radii.prod(), 0.01)
        numpy.testing.assert_allclose(table["equivalent_diameter_area"][0], 2 * radii.prod()**(1 / 3), 0.01)
        numpy.testing.assert_allclose(table["feret_diameter_max"][0], 18, 0.03)

    def test_several_images(self):
        image = blobs((9, 33, 31))
        steps = [{"gaussian": {"sigma": "1 px", "keep": True}}, FIXED, "label",
                 {"measure": {"intensity": ["input", "gaussian"], "properties": "all", "feret": False}}]
        labels, table = self.run_all(image, steps)
        self.assertNotIn("feret_diameter_max", table)
        self.assertNotIn("intensity_mean", table)
        with h5py.File(self.result) as file:
            images = {"input": image, "gaussian": file["images/gaussian"][...]}
        for name, voxels in images.items():
            expected = measure.regionprops_table(labels, voxels, ("intensity_mean", "intensity_max", "centroid_weighted"))
            for column, wanted in expected.items():
                numpy.testing.assert_allclose(table[f"{column}-{name}"], wanted, 1e-6, err_msg=column)

    def test_parameters(self):
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = numpy.zeros((3, 4, 5))
        for parameters, word in (({"distribution": True}, "of which intensities?"), ({"properties": "most"}, "basic"),
                                 ({"intensity": ["input"] * 9}, "8")):
            steps = [FIXED, "label", {"measure": parameters}]
            self.fails(2, "measure", word, arguments=("check", self.workflow(str(self.folder / "i.h5"), steps)))

    def test_nothing_and_everything(self):
        for value in (0, 200):
            labels, table = self.run_all(numpy.full((5, 9, 11), value, numpy.uint8),
                                         [FIXED, "label", {"measure": {"intensity": "input", "properties": "all"}}])
            self.assertEqual(len(table["label"]), value > 0)
        self.assertEqual((table["area"][0], table["euler_number"][0], table["neighbours"][0], table["contact_area"][0],
                          table["intensity_std"][0]), (495, 1, 0, 0, 0))


if __name__ == "__main__":
    unittest.main()
