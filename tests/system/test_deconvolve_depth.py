"""psf.varying of the step deconvolve: PSFs that change with depth, against a truth, against one PSF, and refused."""
import unittest

import numpy as np
import tifffile

import test_deconvolve as base

VOXEL, FIRST = (1.4, 0.15, 0.15), 2
OPTICS = {"model": "gibson-lanni", "na": 1.2, "n_immersion": 1.333, "n_sample": 1.38, "wavelength": "520 nm", "width": 25,
          "depth": "2 um"}
SIZE, PLANES, TILES = (18, 48, 48), 18, ("--tile", "6x48x24")


class Depth(base.Deconvolve):
    def setUp(self):
        super().setUp()
        self.photons = self.photons[:11, :32, :32]
        base.write_ome(self.image, self.photons, voxel=VOXEL)

    def find(self, psf=None, options=("--tile", "whole"), iterations=20, method="shb", **more):
        if iterations:
            more["iterations"] = iterations
        return self.deconvolve(psf={**OPTICS, **(psf or {})}, method=method, options=options, **more)

    def psf_of(self, depth):
        """Of this depth, as `tarkka psf` makes it."""
        file = self.folder / "psf.ome.tif"
        self.ok("psf", "gibson-lanni", file, "--na", 1.2, "--n-immersion", 1.333, "--n-sample", 1.38, "--wavelength", 520,
                "--voxel", "x".join(map(str, VOXEL)), "--size", f"{2 * PLANES - 1}x25x25", "--depth", f"{depth:g}",
                "--origin", "best-focus", "--overwrite")
        return tifffile.imread(file).astype(float)

    def blurred(self):
        """Points and balls through the PSF of each plane's depth, with photon noise; and the truth."""
        rng = np.random.default_rng(7)
        truth = np.full(SIZE, 5.0)
        for c in rng.uniform([1, 6, 6], [PLANES - 1, 42, 42], (40, 3)).astype(int):
            truth[c[0], c[1] - 1:c[1] + 1, c[2] - 1:c[2] + 1] += 3000
        image, padded = np.zeros(SIZE), (72, 72)
        for z in range(PLANES):
            psf = self.psf_of(FIRST + VOXEL[0] * z)[PLANES - 1 - z:2 * PLANES - 1 - z]
            full = np.fft.irfft2(np.fft.rfft2(psf, padded) * np.fft.rfft2(truth[z], padded), padded)
            image += full[:, 12:60, 12:60]
        base.write_ome(self.image, rng.poisson(np.clip(image, 0, None)).astype(np.uint16), voxel=VOXEL)
        return truth

    def test_each_depth_with_its_psf_is_nearer_to_the_truth(self):
        truth = self.blurred()
        inside = (slice(2, -2), slice(6, -6), slice(6, -6))

        def error(found):
            return np.linalg.norm((found - truth)[inside]) / np.linalg.norm(truth[inside])

        middle = {"depth": f"{FIRST + VOXEL[0] * (PLANES - 1) / 2:g} um", "origin": "best-focus"}
        fixed = {depth: error(self.find(psf)[0]) for depth, psf in (("first", {"origin": "best-focus"}), ("middle", middle))}
        found, facts = self.find({"varying": "eigen"})
        eigen = error(found)
        tiled, tiles = (error(self.find({"varying": v}, options=TILES)[0]) for v in ("eigen", "tile"))
        self.assertLess(eigen, 0.95 * min(fixed.values()))
        self.assertLess(tiled, 1.01 * eigen)
        self.assertLess(tiled, 0.98 * tiles)
        self.assertLess(tiles, fixed["first"])
        self.assertLessEqual(facts["psf_error"]["value"], 2)
        self.assertGreater(facts["psf_terms"], 2)
        self.assertEqual((facts["psf_varying"], facts["psf_depth_first"]["value"]), ("eigen", FIRST))
        self.assertAlmostEqual(facts["psf_depth_last"]["value"], FIRST + VOXEL[0] * (PLANES - 1))

    def test_one_psf_at_all_depths_is_the_plain_result(self):
        """Media that nearly match need a single eigen-PSF."""
        plain, _ = self.find({"n_sample": 1.333, "origin": "best-focus"}, iterations=10)
        found, facts = self.find({"n_sample": 1.333001, "varying": "eigen"}, iterations=10)
        self.assertEqual(facts["psf_terms"], 1)
        self.assertLess(np.linalg.norm(found - plain), 1e-5 * np.linalg.norm(plain))

    def test_ranks_change_nothing(self):
        """Tiles with the automatic stop and a warm start; the whole image by two ranks, lean."""
        eigen = {"psf": {"varying": "eigen"}, "options": TILES, "iterations": None,
                 "method": "auto"}
        one, facts = self.find(**eigen)
        two, _ = self.find(**eigen, ranks=2)
        self.assertTrue((one == two).all())
        self.assertEqual(facts["warm_start"]["value"], 5)
        self.assertGreater(one.astype(float).std(), 1.1 * self.photons.std())
        whole, _ = self.find(psf={"varying": "eigen"}, iterations=4, memory="lean")
        exact, _ = self.find(psf={"varying": "eigen"}, iterations=4, memory="lean", distribution="exact", ranks=2)
        self.assertTrue((whole == exact).all())

    def test_tiles_have_the_psf_of_their_middle(self):
        """Of a tile that is the whole image: that of its middle plane, as computed for that depth."""
        found, facts = self.find({"varying": "tile", "error": "0.01 %"}, iterations=10)
        plain, _ = self.find({"depth": f"{FIRST + 5 * VOXEL[0]:g} um", "origin": "best-focus"}, iterations=10)
        self.assertGreater(facts["psf_terms"], 2)
        self.assertLess(np.linalg.norm(found - plain), 2e-5 * np.linalg.norm(plain))

    def test_tiles_take_the_weights_of_where_they_lie(self):
        """Tiles that see a part of the planes, with a PSF of three: their halos hold all but a little."""
        psf = {"varying": "eigen", "planes": 2}
        whole, _ = self.find(psf, iterations=10)
        found, _ = self.find(psf, iterations=10, options=("--tile", "3x32x32"), halo=4)
        self.assertLess(np.linalg.norm(found - whole), 1e-2 * np.linalg.norm(whole))

    def test_what_it_cannot_do_is_refused(self):
        flat = self.folder / "flat.ome.tif"
        base.write_ome(flat, self.photons[:1], voxel=VOXEL)
        eigen = {**OPTICS, "varying": "eigen"}
        for words, psf, more in ((("psf.varying", "from a file"), {"file": "p.tif", "varying": "eigen"}, {}),
                                 (("psf.varying", "gibson-lanni"), {"model": "gaussian", "sigma": "1 px", "varying": "tile"}, {}),
                                 (("psf.varying", "gibson-lanni"), {**eigen, "model": "born-wolf"}, {}),
                                 (("psf.varying", "n_sample"), {**eigen, "n_sample": 1.333}, {}),
                                 (("psf.varying", "one PSF"), eigen, {"method": "wiener"}),
                                 (("psf.varying", "take eigen"), {**eigen, "varying": "tile"}, {"distribution": "exact"}),
                                 (("psf.varying", "one plane"), eigen, {"image": flat}),
                                 (("psf.origin", "best focus"), {**eigen, "origin": "nominal"}, {}),
                                 (("psf.error", "psf.varying"), {**OPTICS, "error": "1 %"}, {}),
                                 (("psf.depth", "waves"), {**eigen, "depth": "20 mm"}, {})):
            with self.subTest(words=words):
                self.refused(*words, psf=psf, **more)


if __name__ == "__main__":
    unittest.main()
