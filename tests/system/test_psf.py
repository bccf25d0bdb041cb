"""PSFs against scipy's adaptive quadrature, and beads as a user measures them."""
import json
import pathlib
import unittest

import numpy as np
import tifffile
from scipy import integrate, ndimage, special

from harness import SystemTest, real_data, tarkka

OIL = dict(na=1.4, n_immersion=1.515, n_sample=1.515, n_coverslip=1.523, coverslip=170.0, coverslip_design=170.0,
           working_distance=150.0, working_distance_design=150.0, depth=0.0, wavelength=525.0)


def intensity(o, vectorial, z, r):
    """Gibson and Lanni's, or Richards and Wolf's through the same media, by scipy's quad."""
    least = min(o["na"], o["n_sample"], o["n_immersion"], o["n_coverslip"])
    k = 2 * np.pi / (o["wavelength"] * 1e-3)

    def axial(n, s):
        return np.sqrt(max(n * n - s * s, 0))

    def field(order, t, part):
        s = least * np.sin(t)
        ci, cg, cs = axial(o["n_immersion"], s), axial(o["n_coverslip"], s), axial(o["n_sample"], s)
        path = (o["depth"] * (cs - ci) + (o["working_distance"] - o["working_distance_design"] - z) * ci
                + (o["coverslip"] - o["coverslip_design"]) * cg)
        weight = s * least * np.cos(t)
        if vectorial:
            ni, ng, ns = o["n_immersion"], o["n_coverslip"], o["n_sample"]
            ts = 2 * ci / (ci + cg) * 2 * cg / (cg + cs)
            tp = 2 * ni * ng * ci / (ng**2 * ci + ni**2 * cg) * 2 * ng * ns * cg / (ns**2 * cg + ng**2 * cs)
            weight *= [ts + tp * cs / ns, tp * s / ns, ts - tp * cs / ns][order] / 2 / np.sqrt(ci / ni)
        return weight * special.jv(order, k * r * s) * part(k * path)

    total = 0
    for order in range(3 if vectorial else 1):
        parts = [integrate.quad(lambda t, p=p, n=order: field(n, t, p), 0, np.pi / 2 if least < o["na"] else
                                np.arcsin(o["na"] / least) if o["na"] < least else np.pi / 2,
                                limit=500, epsabs=1e-9, epsrel=1e-9)[0] for p in (np.cos, np.sin)]
        total += (2 if order == 1 else 1) * (parts[0] ** 2 + parts[1] ** 2)
    return total


def pixel(o, vectorial, z, y, x, edge):
    """The mean over a pixel: Gauss and Legendre's rule, 5 x 5."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    return sum(wy * wx * intensity(o, vectorial, z, np.hypot(y + edge * ny / 2, x + edge * nx / 2))
               for ny, wy in zip(nodes, weights) for nx, wx in zip(nodes, weights)) / 4


class Psf(SystemTest):
    def make(self, model, *options, name="psf.ome.tif"):
        out = self.ok("psf", model, self.folder / name, "--overwrite", "--json", *options)
        return tifffile.imread(self.folder / name), json.loads(out.stdout)

    def against_quad(self, model, o, places):
        dz, edge = 0.2, 0.08
        options = [f"--{key.replace('_', '-')}={value}" for key, value in o.items()
                   if model != "born-wolf" or key in ("na", "wavelength", "n_immersion")]
        psf, facts = self.make(model, "--voxel", f"{dz}x{edge}x{edge}", "--size", "17x25x25", *options)
        self.assertAlmostEqual(float(psf.sum(dtype=float)), 1, places=5)
        shift = facts["origin_um"]
        truth = np.array([pixel(o, model == "richards-wolf", z * dz + shift, y * edge, x * edge, edge)
                          for z, y, x in places])
        found = np.array([psf[8 + z, 12 + y, 12 + x] for z, y, x in places], float)
        truth *= (truth @ found) / (truth @ truth)
        self.assertLess(np.abs(found - truth).max(), 1e-5 * psf.max())  # 1e-4 is promised

    def test_models_are_scipys(self):
        places = [(0, 0, 0), (0, 1, 2), (3, 0, 4), (-5, 3, 3), (8, 12, 7)]
        self.against_quad("born-wolf", OIL, places)
        deep = {**OIL, "n_sample": 1.35, "depth": 6.0, "coverslip": 174.0}
        self.against_quad("gibson-lanni", deep, places)
        self.against_quad("richards-wolf", deep, places)

    def test_threads_change_nothing(self):
        options = ["--na", "1.2", "--n-immersion", "1.333", "--wavelength", "600", "--voxel", "0.3x0.1x0.1",
                   "--excitation", "561"]
        for mode in ("widefield", "confocal", "spinning-disk", "light-sheet", "two-photon"):
            files = set()
            for threads in ("1", "2", "3"):
                answer = tarkka("psf", "gibson-lanni", self.folder / "t.ome.tif", "--mode", mode, "--overwrite",
                                "--width", "41", "--planes", "8", *options, environment={"OMP_NUM_THREADS": threads})
                self.assertEqual(answer.returncode, 0, answer.stderr)
                files.add(tifffile.imread(self.folder / "t.ome.tif").tobytes())
            self.assertEqual(len(files), 1, mode)

    def test_modes_are_as_narrow_as_they_should_be(self):
        options = ["--na", "1.2", "--n-immersion", "1.333", "--wavelength", "520", "--voxel", "0.1x0.05x0.05",
                   "--excitation", "488", "--size", "61x61x61"]
        width = {mode: self.make("gibson-lanni", "--mode", mode, *options)[1]["fwhm_um"]
                 for mode in ("widefield", "confocal", "light-sheet", "spinning-disk")}
        self.assertAlmostEqual(width["widefield"][1], 0.51 * 0.52 / 1.2, delta=0.01)
        for mode in ("confocal", "spinning-disk"):
            self.assertLess(width[mode][1], width["widefield"][1])
            self.assertLess(width[mode][0], width["widefield"][0])
        sheet = self.make("gibson-lanni", "--mode", "light-sheet", "--sheet", "0.5", *options)[1]["fwhm_um"]
        self.assertLess(sheet[0], width["light-sheet"][0])
        self.assertLess(width["light-sheet"][0], width["widefield"][0])
        two = self.make("gibson-lanni", "--mode", "two-photon", *options[:6], "--voxel", "0.1x0.05x0.05",
                        "--excitation", "900")[1]
        self.assertGreater(two["fwhm_um"][1], width["confocal"][1])

    def test_the_size_holds_the_light(self):
        options = ["--na", "0.8", "--n-immersion", "1", "--wavelength", "520", "--voxel", "0.5x0.1x0.1"]
        for percent in (20, 5):
            psf, facts = self.make("born-wolf", "--planes", "6", "--loss", percent, *options)
            self.assertEqual(psf.shape[0], 11)
            self.assertLess(facts["lost"], percent / 100)
            self.assertGreater(facts["lost"], percent / 400)

    def test_crop(self):
        psf, _ = self.make("born-wolf", "--na=1.3", "--wavelength=520", "--voxel=0.2x0.1x0.1", "--size=21x41x41")
        out = self.ok("psf", "crop", self.folder / "psf.ome.tif", self.folder / "c.ome.tif", "--loss=10", "--json")
        cropped, facts = tifffile.imread(self.folder / "c.ome.tif"), json.loads(out.stdout)
        half = [n // 2 for n in cropped.shape]
        kept = psf[tuple(slice(n // 2 - h, n // 2 + h + 1) for n, h in zip(psf.shape, half))].astype(float)
        self.assertAlmostEqual(facts["lost"], 1 - kept.sum() / psf.sum(dtype=float), places=6)
        self.assertTrue(0 < facts["lost"] <= 0.1 and cropped.size < psf.size)
        np.testing.assert_allclose(cropped, kept / kept.sum(), rtol=1e-5)

    def test_a_picture_and_refusals(self):
        self.make("born-wolf", "--na=1.3", "--wavelength=520", "--voxel=0.2x0.1x0.1", "--size=21x31x31")
        self.ok("psf", "show", self.folder / "psf.ome.tif", self.folder / "psf.png")
        self.assertEqual((self.folder / "psf.png").read_bytes()[:4], b"\x89PNG")
        for words, wanted in ((["airy", "x.ome.tif"], "born-wolf"), (["born-wolf", "x.ome.tif"], "--voxel"),
                              (["born-wolf", "x.ome.tif", "--voxel=1x1x1", "--na=1"], "--wavelength"),
                              (["born-wolf", "x.ome.tif", "--voxel=1x1x1", "--na=1.6", "--wavelength=500"], "aperture"),
                              (["born-wolf", "x.ome.tif", "--voxel=1x1x1", "--na=1.2", "--wavelength=500",
                                "--depth=3"], "mismatch"),
                              (["gaussian", "x.ome.tif", "--voxel=1x1x1"], "--sigma")):
            answer = tarkka("psf", *words, cwd=self.folder)
            self.assertEqual(answer.returncode, 2, words)
            self.assertIn(wanted, answer.stderr)
        self.assertEqual(tarkka("psf", "show", self.folder / "psf.ome.tif", self.folder / "psf.png").returncode, 1)

    def test_measured_beads(self):
        """Beads of a known PSF at places between voxels, with photon noise: the PSF comes back."""
        psf, _ = self.make("gaussian", "--voxel=0.2x0.1x0.1", "--sigma=0.5x0.17x0.17")
        rng = np.random.default_rng(3)
        image = np.full((40, 160, 160), 20.0)
        z, y, x = np.indices(image.shape)
        for cy in range(20, 150, 30):
            for cx in range(20, 150, 30):
                c = np.array([20, cy, cx]) + rng.uniform(-0.5, 0.5, 3)
                image += 800 * np.exp(-((z - c[0]) / 2.5) ** 2 / 2 - (((y - c[1]) ** 2 + (x - c[2]) ** 2) / 1.7**2) / 2)
        tifffile.imwrite(self.folder / "beads.tif", rng.poisson(image).astype(np.uint16))
        out = self.ok("psf", "measure", self.folder / "beads.tif", self.folder / "m.ome.tif", "--voxel=0.2x0.1x0.1",
                      "--json")
        found = json.loads(out.stdout)
        self.assertEqual(found["counts"]["used"], 25)
        for wide in ("fwhm_um", "half_height_um"):
            np.testing.assert_allclose(found[wide], [2.3548 * 0.5, 2.3548 * 0.17, 2.3548 * 0.17], rtol=0.03)
        measured = tifffile.imread(self.folder / "m.ome.tif").astype(float)
        self.assertAlmostEqual(measured.sum(), 1, places=5)
        centre = ndimage.center_of_mass(measured ** 2)  # without the faint rim
        np.testing.assert_allclose(centre, np.array(measured.shape) // 2, atol=0.02)
        tifffile.imwrite(self.folder / "empty.tif", rng.poisson(np.full((20, 30, 30), 50.0)).astype(np.uint16))
        answer = tarkka("psf", "measure", self.folder / "empty.tif", "--voxel=0.2x0.1x0.1")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("no bead can be used", answer.stderr)

    def test_real_beads(self):
        out = self.ok("psf", "measure", real_data("formats/tiff-3d/Bead_Image1_crop.tif"), "--diameter", "3x0.6x0.6", "--json")
        found = json.loads(out.stdout)
        self.assertEqual((found["found"], found["counts"]["used"]), (4, 4))
        each = np.array([bead["fwhm_um"] for bead in found["beads"]])
        np.testing.assert_allclose(each, np.tile(found["fwhm_um"], (4, 1)), rtol=0.1)


if __name__ == "__main__":
    unittest.main()
