"""Filters of finite support, against scipy.ndimage: derivatives of Gaussians, eigenvalues and medians."""
import math
import unittest

import h5py
import numpy
from scipy import ndimage

from harness import SystemTest

SPACE, PLANE = (13, 40, 45), (1, 60, 71)
VOXEL_UM = (0.5, 0.2, 0.25)


def smooth(image, sigma, order=0):
    """Axis by axis, as scipy does; an axis of one voxel is left alone."""
    axes = [a for a in range(3) if image.shape[a] > 1]
    orders = [0, 0, 0] if order == 0 else order
    for a in axes:
        image = ndimage.gaussian_filter1d(image, sigma[a], axis=a, order=orders[a], mode="reflect", truncate=4.0)
    return image


def derivative(image, sigma, voxel, *axes):
    orders = [axes.count(a) for a in range(3)]
    return smooth(image, sigma, orders) / numpy.prod([voxel[a] for a in axes])


def axes_of(image):
    return [a for a in range(3) if image.shape[a] > 1]


def eigenvalues(entry, axes):
    """The largest first."""
    matrix = numpy.stack([numpy.stack([entry(min(a, b), max(a, b)) for b in axes], -1) for a in axes], -1)
    return numpy.moveaxis(numpy.linalg.eigvalsh(matrix), -1, 0)[::-1]


class Filters(SystemTest):
    def setUp(self):
        super().setUp()
        rng = numpy.random.default_rng(5)
        self.images = {}
        for shape in (SPACE, PLANE):
            image = rng.gamma(2, 50, shape)
            image[:, 10:30, 5:25] += 400
            self.images[shape] = image.astype(numpy.float32)
        with h5py.File(self.folder / "i.h5", "w") as file:
            for shape, image in self.images.items():
                file[str(len(axes_of(image)))] = image
            file["um"] = self.images[SPACE]
            file["um"].attrs["element_size_um"] = VOXEL_UM

    def run_step(self, shape, step, tile="5x16x16", dataset=None):
        """The step's image and the input in double; the same bits in tiles and without."""
        dataset = dataset or sum(n > 1 for n in shape)
        workflow = self.workflow(f"{self.folder / 'i.h5'}:/{dataset}", [step])
        found = []
        for number, grid in enumerate(("whole", tile)):
            output = self.folder / f"{number}.h5"
            self.ok("run", workflow, "--output", output, "--tile", grid, "--overwrite")
            with h5py.File(output) as file:
                found.append(file["images"][next(iter(step))][()].reshape(shape))
        numpy.testing.assert_array_equal(found[0], found[1])
        return found[0], self.images[shape].astype(float)

    def close(self, found, expected, image):
        """To float32 rounding of the image's values."""
        self.assertLess(numpy.abs(found - expected).max(), 3e-6 * numpy.abs(image).max())

    def test_laplacian_and_gradient(self):
        sigma = (1.2, 2, 1.5)
        for shape in (SPACE, PLANE):
            parameters = {"sigma": [f"{s} px" for s in sigma]}
            found, image = self.run_step(shape, {"laplacian": parameters})
            used = [sigma[a] for a in axes_of(image)]
            self.close(found, ndimage.gaussian_laplace(image.squeeze(), used).reshape(shape), image)
            negative, _ = self.run_step(shape, {"laplacian": {**parameters, "negate": True}})
            numpy.testing.assert_array_equal(negative, -found)
            found, image = self.run_step(shape, {"gradient": parameters})
            self.close(found, ndimage.gaussian_gradient_magnitude(image.squeeze(), used).reshape(shape), image)

    def test_derivatives_per_micrometre(self):
        um = 0.4
        sigma, least = [um / v for v in VOXEL_UM], min(VOXEL_UM)
        found, image = self.run_step(SPACE, {"gradient": {"sigma": f"{um} um", "per": "um"}}, dataset="um")
        squares = sum(derivative(image, sigma, VOXEL_UM, a) ** 2 for a in range(3))
        self.close(found * least, numpy.sqrt(squares) * least, image)
        found, image = self.run_step(SPACE, {"hessian": {"sigma": f"{um} um", "per": "um"}}, dataset="um")
        expected = eigenvalues(lambda a, b: derivative(image, sigma, VOXEL_UM, a, b), range(3))[0]
        self.close(found * least ** 2, expected * least ** 2, image)

    def test_difference_of_gaussians(self):
        for shape in (SPACE, PLANE):
            found, image = self.run_step(shape, {"dog": {"sigma": "1.2 px", "ratio": 1.7}})
            self.close(found, smooth(image, [1.2] * 3) - smooth(image, [1.2 * 1.7] * 3), image)
            found, image = self.run_step(shape, {"dog": {"sigma": "0 px", "second": "3 px"}})
            self.close(found, image - smooth(image, [3] * 3), image)

    def test_hessian(self):
        for shape in (SPACE, PLANE):
            for number, which in enumerate(("largest", "middle", "smallest")):
                if which == "middle" and shape == PLANE:
                    continue
                found, image = self.run_step(shape, {"hessian": {"sigma": "1.6 px", "eigenvalue": which}})
                values = eigenvalues(lambda a, b: derivative(image, [1.6] * 3, [1] * 3, a, b), axes_of(image))
                self.close(found, values[number if shape == SPACE else number // 2], image)

    def test_structure_tensor(self):
        for shape in (SPACE, PLANE):
            for which in ("largest", "smallest"):
                for outer in (None, 1.5):
                    parameters = {"sigma": "1.3 px", "eigenvalue": which, **({"outer": f"{outer} px"} if outer else {})}
                    found, image = self.run_step(shape, {"structure": parameters})
                    first = {a: derivative(image, [1.3] * 3, [1] * 3, a) for a in axes_of(image)}
                    values = eigenvalues(lambda a, b: smooth(first[a] * first[b], [outer or 0.65] * 3), axes_of(image))
                    expected = values[0 if which == "largest" else -1]
                    self.assertLess(numpy.abs(found - expected).max(), 3e-6 * numpy.abs(values).max())

    def test_median(self):
        for shape in (SPACE, PLANE):
            for radius, ball in (((1, 1, 1), False), ((1, 2, 3), False), ((2, 2, 2), True), ((1, 3, 2), True)):
                parameters = {"radius": [f"{r} px" for r in radius], "shape": "ball" if ball else "box"}
                found, image = self.run_step(shape, {"median": parameters})
                reach = [r if n > 1 else 0 for r, n in zip(radius, shape)]
                away = numpy.meshgrid(*[numpy.arange(-r, r + 1) / max(r, 1) for r in reach], indexing="ij")
                footprint = sum(d ** 2 for d in away) <= (1 + 1e-9 if ball else math.inf)
                expected = ndimage.median_filter(image, footprint=footprint, mode="reflect")
                numpy.testing.assert_array_equal(found, expected.astype(numpy.float32))

    def test_what_is_not_possible_says_so(self):
        for shape, step, words in (
                (3, {"hessian": {"sigma": "0.3 px"}}, ("sigma", "0.5 px")),
                (2, {"hessian": {"eigenvalue": "middle"}}, ("eigenvalue", "largest and smallest")),
                (3, {"dog": {"ratio": 2, "second": "3 px"}}, ("ratio", "second")),
                (3, {"hessian": {"per": "um"}}, ("per", "give px")),
                (3, {"median": {"radius": "40 px"}}, ("radius", "32")),
                (3, {"gradient": {"sigma": "20000 px"}}, ("sigma", "10000"))):
            workflow = self.workflow(f"{self.folder / 'i.h5'}:/{shape}", [step])
            self.fails(2, *words, arguments=("run", workflow, "--output", self.folder / "no.h5"))


if __name__ == "__main__":
    unittest.main()
