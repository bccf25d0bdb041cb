"""The step deconvolve as its users meet it: where the PSF comes from, the camera, and what is refused."""
import json
import unittest

import h5py
import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from harness import QUICK, ROOT, SystemTest, real_data

VOXEL = (0.3, 0.1, 0.1)
OPTICS = {"na": 1.2, "n_immersion": 1.333, "wavelength": "520 nm"}


def write_ome(path, image, voxel=VOXEL, optics=True):
    """An OME-TIFF whose metadata say how it was taken, or do not."""
    z, y, x = image.shape
    names = {"uint16": "uint16", "float32": "float"}
    size = "".join(f' PhysicalSize{a}="{v}"' for a, v in zip("ZYX", voxel)) if voxel else ""
    instrument = ('<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="1.2"/></Instrument>' if optics else "")
    settings = '<ObjectiveSettings ID="Objective:0" RefractiveIndex="1.333"/>' if optics else ""
    waves = ' EmissionWavelength="520" ExcitationWavelength="488"' if optics else ""
    xml = (f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
           f'{instrument}<Image ID="Image:0">{settings}<Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
           f'Type="{names[str(image.dtype)]}" SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="1" SizeT="1"{size}>'
           f'<Channel ID="Channel:0:0" SamplesPerPixel="1"{waves}/><TiffData/></Pixels></Image></OME>')
    tifffile.imwrite(path, image, description=xml, metadata=None, ome=False)


class Deconvolve(SystemTest):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(4)
        z, y, x = np.indices((12, 48, 44))
        light = np.full(z.shape, 8.0)
        for _ in range(12):
            c = rng.uniform(0, 1, 3) * z.shape
            light += 200 * np.exp(-((z - c[0]) / 1.8) ** 2 / 2 - (((y - c[1]) ** 2 + (x - c[2]) ** 2) / 1.6 ** 2) / 2)
        self.photons = rng.poisson(light).astype(np.uint16)
        self.image = self.folder / "image.ome.tif"
        write_ome(self.image, self.photons)

    def deconvolve(self, image=None, options=(), ranks=None, **parameters):
        """The result, and the facts of the decisions."""
        file = self.workflow(str(image or self.image), [{"deconvolve": parameters}])
        result = self.folder / "r.h5"
        self.ok("run", file, "--output", result, "--overwrite", *options, ranks=ranks)
        with h5py.File(result) as f:
            facts = {}
            for decision in json.loads(f["provenance/run"][()])["decisions"]:
                facts.update(decision["facts"])
            return f["images/deconvolve"][()], facts

    def refused(self, *words, image=None, **parameters):
        file = self.workflow(str(image or self.image), [{"deconvolve": parameters}])
        self.fails(2, *words, arguments=("run", file, "--output", self.folder / "r.h5", "--overwrite"))


class Psf(Deconvolve):
    @unittest.skipIf(QUICK, "sanitizers take memory of their own")
    def test_memory_of_psfs_that_are_cropped(self):
        """All channels' PSFs are there at once, and each is larger while it is read: planned, and not exceeded."""
        with h5py.File(self.folder / "two.h5", "w") as f:
            f["image"] = np.stack([self.photons[:6, :20, :20]] * 2)
        z, y, x = np.ogrid[:101, :301, :301]
        for channel in range(2):
            with h5py.File(self.folder / f"psf-{channel}.h5", "w") as f:
                f["psf"] = np.exp(-((z - 50.0) ** 2 + (y - 150.0) ** 2 + (x - 150.0) ** 2) / 4).astype(np.float32)
        source = {"image": f"{self.folder}/two.h5:/image", "axes": "czyx", "channel": "all"}
        step = {"psf": {"file": f"{self.folder}/psf-{{channel}}.h5:/psf"}, "method": "rl", "iterations": 1}
        file = self.folder / "two.yaml"
        file.write_text(json.dumps({"tarkka": 1, "input": source, "steps": [{"deconvolve": step}]}))
        self.ok("run", file, "--output", self.folder / "result.h5")
        used = json.loads((self.folder / "result.provenance.json").read_text())["resources"]
        self.assertLessEqual(used["peak_bytes_rank0"], used["planned_bytes_per_rank"])
        self.assertLess(used["peak_bytes_rank0"], 105 << 20)  # one of 35 MiB and what it is decoded to, not all

    def test_every_model_from_the_metadata_is_that_of_the_command(self):
        """One list of parameters: the step and `tarkka psf` make the same PSF, and the same image with it."""
        made = self.folder / "psf.ome.tif"
        for model, mode in (("born-wolf", "widefield"), ("gibson-lanni", "confocal"), ("richards-wolf", "light-sheet"),
                            ("gibson-lanni", "spinning-disk"), ("gibson-lanni", "two-photon")):
            with self.subTest(model=model, mode=mode):
                self.ok("psf", model, made, "--mode", mode, "--like", self.image, "--planes", "12", "--width", "61",
                        "--overwrite")
                psf = {"model": model, "mode": mode, "width": 61}
                computed, facts = self.deconvolve(method="shb", iterations=2, psf=psf)
                from_file, _ = self.deconvolve(method="shb", iterations=2, psf={"file": str(made)})
                np.testing.assert_allclose(computed, from_file, rtol=2e-4, atol=1e-3)
                self.assertEqual((facts["psf_model"], facts["psf_mode"], facts["psf_na"]), (model, mode, 1.2))
                self.assertEqual(facts["psf_wavelength"]["value"], 520)
                self.assertEqual(len(facts["psf_sha256"]), 64)
                self.assertLess(facts["psf_lost"]["value"], 30)

    def test_what_nobody_says_is_asked_for(self):
        bare, sizeless = self.folder / "bare.ome.tif", self.folder / "sizeless.ome.tif"
        write_ome(bare, self.photons, optics=False)
        write_ome(sizeless, self.photons, voxel=None)
        optics = {"model": "gibson-lanni", **OPTICS}
        self.refused("psf.na", "numerical aperture", "give psf.na", image=bare, psf={"model": "gibson-lanni"})
        self.refused("psf.wavelength", "detected", image=bare, psf={"model": "gibson-lanni", "na": 1.2})
        self.refused("psf.excitation", image=bare, psf={**optics, "mode": "confocal"})
        self.refused("psf.voxel", "voxel: [", image=sizeless, psf=optics)
        said, _ = self.deconvolve(image=bare, method="shb", iterations=1, psf=optics)
        known, _ = self.deconvolve(method="shb", iterations=1, psf={"model": "gibson-lanni"})
        given, _ = self.deconvolve(image=sizeless, method="shb", iterations=1,
                                   psf={"model": "gibson-lanni", "voxel": ["0.3 um", "0.1 um", "0.1 um"]})
        self.assertTrue((said == known).all() and (said == given).all())

    def test_nonsense_is_refused(self):
        optics = {"model": "gibson-lanni"}
        for psf, *words in (({}, "no point spread function"),
                            ({"model": "confocal"}, "not one of"),
                            ({**optics, "sigma": "1 px"}, "psf.sigma", "gaussian"),
                            ({**optics, "na": 1.6}, "aperture"),
                            ({**optics, "wavelength": "525 um"}, "psf.wavelength", "out of range"),
                            ({**optics, "wavelength": "525 px"}, "px"),
                            ({**optics, "n_sample": 1.5, "depth": "20 mm"}, "psf.depth", "waves of aberration"),
                            ({**optics, "coverslip": "5 mm", "coverslip_design": "170 um", "n_coverslip": 1.8},
                             "psf.model", "waves of aberration", "coverslip"),
                            ({**optics, "pinhole": 1}, "psf.pinhole", "confocal", "leave it out"),
                            ({**optics, "mode": "confocal", "open_area": "4 %"}, "psf.open_area", "spinning-disk"),
                            ({**optics, "mode": "confocal", "sheet": "2 um"}, "psf.sheet", "light-sheet"),
                            ({**optics, "excitation": "488 nm"}, "psf.excitation", "two-photon", "psf.mode"),
                            ({"model": "born-wolf", "depth": "2 um"}, "psf.depth", "mismatch"),
                            ({"model": "gaussian", "sigma": "1 px", "na": 1.2}, "psf.na"),
                            ({"model": "gaussian", "sigma": "500 px"}, "psf.sigma", "larger than the image"),
                            ({"file": "p.tif", "mode": "confocal"}, "psf.mode", "computed")):
            with self.subTest(psf=psf):
                self.refused(*words, psf=psf)

    def test_a_psf_that_is_too_wide_is_cropped_and_the_loss_is_told(self):
        psf = np.zeros((61, 161, 161), np.float32)
        psf[30, 80, 80], psf[0, 80, 80], psf[30, 80, 150] = 0.6, 0.2, 0.2  # of twelve planes eleven apart matter
        tifffile.imwrite(self.folder / "psf.tif", psf)
        found, facts = self.deconvolve(method="rl", iterations=1, psf={"file": str(self.folder / "psf.tif")})
        self.assertEqual(facts["psf_size"], "23x95x87")
        self.assertAlmostEqual(facts["psf_lost"]["value"], 40, places=3)
        np.testing.assert_allclose(found, self.photons, rtol=1e-4, atol=1e-2)  # what is left is a point
        wide = {"model": "gaussian", "sigma": "2 px"}
        _, all_of_it = self.deconvolve(method="rl", iterations=1, psf=wide)
        _, less = self.deconvolve(method="rl", iterations=1, psf={**wide, "loss": "2 %"})
        self.assertEqual(all_of_it["psf_size"], "17x17x17")
        self.assertTrue(0.5 < less["psf_lost"]["value"] <= 2 and less["psf_size"] < "13x13x14", less)

    def test_a_plane_alone(self):
        flat = self.folder / "flat.ome.tif"
        write_ome(flat, self.photons[6:7], voxel=(0, 0.1, 0.1))
        for psf in ({"model": "richards-wolf"}, {"model": "gaussian", "sigma": "0.15 um"}):
            found, facts = self.deconvolve(image=flat, method="shb", iterations=4, psf=psf)
            self.assertTrue(facts["psf_size"].startswith("1x"), facts["psf_size"])
            self.assertTrue(np.isfinite(found).all() and found.max() > 1.2 * self.photons[6].max())


class Camera(Deconvolve):
    PSF = {"model": "gaussian", "sigma": ["1.2 px", "1.4 px", "1.4 px"]}

    def run_with(self, image=None, ranks=None, options=(), **more):
        return self.deconvolve(image=image, ranks=ranks, options=options, method="shb", iterations=6, psf=self.PSF,
                               read_noise=1.5, **more)

    def test_offset_and_gain(self):
        counts = self.folder / "counts.ome.tif"
        write_ome(counts, (self.photons * 4 + 100).astype(np.uint16))
        plain, facts = self.run_with()
        found, same = self.run_with(image=counts, camera={"offset": 100, "gain": 0.25})
        np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-3)
        self.assertAlmostEqual(facts["start_level"], same["start_level"], places=4)

    def test_backgrounds(self):
        """A number, a value for each plane, one plane and a whole map say the same in their own ways."""
        size = self.photons.shape
        number, _ = self.run_with(background=5)
        for name, shape in (("planes", (size[0], 1, 1)), ("plane", (1, *size[1:])), ("whole", size)):
            with h5py.File(self.folder / f"{name}.h5", "w") as f:
                f["b"] = np.full(shape, 5, np.float32)
            found, facts = self.run_with(background_file=f"{self.folder / name}.h5:/b")
            self.assertTrue((found == number).all(), name)
            self.assertEqual(facts["background_mean"], 5)
        slope = np.linspace(0, 9, size[0], dtype=np.float32)[:, None, None]
        for name, values in (("slope", slope), ("slopes", np.broadcast_to(slope, size))):
            with h5py.File(self.folder / f"{name}.h5", "w") as f:
                f["b"] = values
        one, two = (self.run_with(background_file=f"{self.folder / n}.h5:/b", options=("--tile", "8x32x32"),
                                  ranks=r)[0] for n, r in (("slope", None), ("slopes", 2)))
        self.assertTrue((one == two).all())
        self.assertGreater((one != number).mean(), 0.5)

    def test_dead_and_saturated_voxels_do_no_harm(self):
        rng = np.random.default_rng(8)
        dead = rng.random(self.photons.shape[1:]) < 0.03
        broken = np.where(dead, 3000, self.photons).astype(np.uint16)
        write_ome(self.folder / "broken.ome.tif", broken)
        tifffile.imwrite(self.folder / "dead.tif", dead.astype(np.uint8))
        good, _ = self.run_with()
        harmed, _ = self.run_with(image=self.folder / "broken.ome.tif")
        masked, facts = self.run_with(image=self.folder / "broken.ome.tif", dead_pixels=str(self.folder / "dead.tif"))
        saturated, _ = self.run_with(image=self.folder / "broken.ome.tif", camera={"saturation": 2999})
        self.assertEqual(facts["dead_voxels"], dead.sum() * self.photons.shape[0])

        def error(found):
            return np.linalg.norm(found - good) / np.linalg.norm(good)

        self.assertGreater(error(harmed), 1)
        self.assertLess(error(masked), 0.4)
        self.assertLess(error(saturated), 0.4)

    def test_nonsense_is_refused(self):
        tifffile.imwrite(self.folder / "small.tif", np.ones((5, 6), np.float32))
        tifffile.imwrite(self.folder / "minus.tif", np.full((1, 48, 44), -1, np.float32))
        for more, *words in (({"background_file": str(self.folder / "small.tif")}, "background_file", "1x5x6", "12x48x44"),
                             ({"background_file": str(self.folder / "minus.tif")}, "background_file", "-1"),
                             ({"dead_pixels": str(self.folder / "small.tif")}, "dead_pixels", "1x5x6"),
                             ({"background": 2, "background_file": "b.tif"}, "not both"),
                             ({"camera": {"gain": 0}}, "camera.gain"),
                             ({"camera": {"gian": 1}}, "did you mean 'camera.gain'")):
            with self.subTest(more=more):
                self.refused(*words, psf=self.PSF, **more)


class Method(Deconvolve):
    PSF = {"model": "gaussian", "sigma": ["1.2 px", "1.4 px", "1.4 px"]}

    def test_presets_and_methods(self):
        """What a method alone gives, a preset gives in parts; each sharpens the image."""
        blurred = self.photons.astype(float)
        found = {name: self.deconvolve(psf=self.PSF, **more)[0].astype(float) for name, more in {
            "fast": {"preset": "fast"}, "default": {"iterations": 15}, "reference": {"preset": "reference", "iterations": 20},
            "shb": {"method": "shb", "iterations": 20, "halo": 2}, "rl": {"method": "rl", "iterations": 10},
            "shb 15": {"method": "shb", "iterations": 15}, "lean": {"memory": "lean", "iterations": 15},
            "wiener": {"method": "wiener", "distribution": "tiles"}, "tikhonov": {"method": "tikhonov"}, "tv": {"tv": 0.05, "iterations": 15}}.items()}
        for name, image in found.items():
            self.assertGreater(image.std(), 1.1 * blurred.std(), name)
            self.assertLess(abs(image.mean() / blurred.mean() - 1), 0.1, name)
        self.assertTrue((found["reference"] == found["shb"]).all())
        self.assertTrue((found["fast"] == found["shb 15"]).all())
        difference = np.linalg.norm(found["lean"] - found["default"]) / np.linalg.norm(found["default"])
        self.assertTrue(0 < difference < 0.01, difference)
        self.assertLess(np.abs(np.diff(found["tv"])).sum(), 0.9 * np.abs(np.diff(found["default"])).sum())

    def test_a_deep_psf_gets_a_warm_start(self):
        deep = {"model": "gaussian", "sigma": ["1.8 px", "1.4 px", "1.4 px"]}
        for preset, psf, warm in (("default", deep, 5), ("default", self.PSF, 0), ("reference", deep, 0)):
            _, facts = self.deconvolve(psf=psf, preset=preset, iterations=6)
            self.assertEqual(facts["warm_start"]["value"], warm)
        fast, facts = self.deconvolve(psf=deep, preset="fast")
        self.assertEqual((facts["method"], facts["iterations"], facts["warm_start"]["value"]), ("shb", 5, 5))
        asked, _ = self.deconvolve(psf=deep, method="shb", iterations=5, warm_start=5)
        self.assertTrue((fast == asked).all())

    def test_regularisation_is_found_or_taken(self):
        _, facts = self.deconvolve(psf=self.PSF, method="wiener", read_noise=1)
        z = self.photons.astype(float)
        noise = z.mean() + 1
        self.assertAlmostEqual(facts["regularisation"], noise / ((z ** 2).mean() - z.mean() ** 2 - noise), places=6)
        _, facts = self.deconvolve(psf=self.PSF, method="tikhonov", regularisation=0.01)
        self.assertEqual(facts["regularisation"], 0.01)

    def test_nonsense_is_refused(self):
        for more, *words in (({"method": "wiener", "iterations": 5}, "iterations", "one pass"),
                             ({"method": "shb", "regularisation": 0.1}, "regularisation"),
                             ({"iterations": 3, "warm_start": 4}, "warm_start"),
                             ({"halo": 1, "tolerance": "1 %"}, "not both"),
                             ({"method": "wiener", "distribution": "exact"}, "distribution", "tiles"),
                             ({"method": "rl", "preset": "fast"}, "preset", "leave out method"),
                             ({"preset": "fast", "warm_start": 20}, "warm_start", "15 iterations"),
                             ({"preset": "best"}, "fast|default|reference")):
            with self.subTest(more=more):
                self.refused(*words, psf=self.PSF, **more)


def stop_of(curve):
    """Where ten more iterations would lower the curve by 0.04 % or less; else its minimum."""
    best = int(np.argmin(curve)) + 1
    settled = next((k + 1 for k in range(len(curve) - 10)
                    if curve[k] - min(curve[k:k + 11]) <= 4e-4 * curve[k]), best)
    return min(best, settled)


class Stop(Deconvolve):
    PSF = {"model": "gaussian", "sigma": ["1.2 px", "1.4 px", "1.4 px"]}
    TILES = ("--tile", "8x32x32")

    def test_the_automatic_stop(self):
        """What it finds is where the curve is lowest, or from where on it hardly falls, the same for any ranks, and what
        asking for it gives."""
        found, facts = self.deconvolve(psf=self.PSF, options=self.TILES)
        curve = [float(v) for v in facts["held_out_error"].split()]
        best = int(facts["iterations"])
        self.assertEqual(best, stop_of(curve))
        self.assertEqual(len(curve), facts["tried"]["value"])
        self.assertEqual(len(curve), len(facts["flux"].split()))
        self.assertEqual(facts["sampled"]["value"], 8)
        self.assertTrue(1 < best < len(curve) - 4)
        again, _ = self.deconvolve(psf=self.PSF, options=self.TILES, ranks=3)
        self.assertTrue((found == again).all())
        asked, other = self.deconvolve(psf=self.PSF, options=self.TILES, iterations=best)
        self.assertTrue((found == asked).all())
        self.assertNotIn("held_out_error", other)

    def test_a_stop_before_the_lowest(self):
        """Much light and much blur: the blurred estimate comes nearer to the data for long."""
        bright = self.folder / "bright.ome.tif"
        photons = np.random.default_rng(6).poisson(gaussian_filter(self.photons.astype(float), (1.5, 3, 3)))
        write_ome(bright, np.clip(photons, 0, 65535).astype(np.uint16))
        _, facts = self.deconvolve(image=bright, method="shb", psf={"model": "gaussian", "sigma": ["1.5 px", "3 px", "3 px"]})
        curve = [float(v) for v in facts["held_out_error"].split()]
        self.assertEqual(facts["iterations"], stop_of(curve))
        self.assertLess(facts["iterations"], np.argmin(curve) - 4)

    def test_a_stop_within_the_warm_start(self):
        """Dim: it comes early, and what is recorded is what was made."""
        dim = self.folder / "dim.ome.tif"
        write_ome(dim, np.random.default_rng(5).poisson(self.photons / 1000).astype(np.uint16))
        _, facts = self.deconvolve(image=dim, psf=self.PSF, warm_start=20)
        self.assertLess(facts["iterations"], 20)
        self.assertEqual(facts["warm_start"]["value"], facts["iterations"])

    def test_the_sample_is_of_the_brightest(self):
        """Of thirty-six tiles sixteen, whatever the ranks."""
        runs = [self.deconvolve(psf=self.PSF, method="shb", options=("--tile", "12x8x8"), ranks=r) for r in (None, 2)]
        self.assertTrue((runs[0][0] == runs[1][0]).all())
        for _, facts in runs:
            self.assertEqual(facts["sampled"]["value"], 16)
            self.assertEqual(facts["held_out_error"], runs[0][1]["held_out_error"])

    def test_biggs_takes_the_same_steps_everywhere(self):
        one, facts = self.deconvolve(psf=self.PSF, method="biggs", iterations=12, options=self.TILES)
        two, _ = self.deconvolve(psf=self.PSF, method="biggs", iterations=12, options=self.TILES, ranks=2)
        rl, _ = self.deconvolve(psf=self.PSF, method="rl", iterations=12, options=self.TILES)
        self.assertTrue((one == two).all())
        self.assertEqual(facts["tried"]["value"], 12)
        self.assertGreater(one.astype(float).std(), 1.05 * rl.astype(float).std())
        self.refused("iterations", "at most", psf=self.PSF, method="biggs", iterations=600)


class Examples(Deconvolve):
    def test_the_workflows_that_come_along(self):
        flat = self.folder / "flat.ome.tif"
        write_ome(flat, self.photons[6:7], voxel=(0, 0.1, 0.1), optics=False)
        for name in ("widefield", "confocal", "light-sheet", "plane"):
            image = flat if name == "plane" else self.image
            self.ok("run", ROOT / f"workflows/{name}.yaml", "--input", image, "--output", self.folder / f"{name}.h5",
                    "--set", "deconvolve.iterations=3")
            with h5py.File(self.folder / f"{name}.h5") as f:
                self.assertGreater(f["images/deconvolve"][()].max(), self.photons.max())


class Halo(Deconvolve):
    def plan(self, image="null:24x600x600:u16", **parameters):
        file = self.workflow(image, [{"deconvolve": parameters}])
        return json.loads(self.ok("plan", file, "--json").stdout), self.ok("plan", file).stdout

    def test_the_table_and_the_tolerance(self):
        psf = {"model": "gaussian", "sigma": ["2 px", "3 px", "3 px"]}
        plan, text = self.plan(method="shb", iterations=20, psf=psf)
        rows = plan["halo_errors"]["deconvolve"]
        self.assertIn("against the un-tiled result", text)
        self.assertEqual([r["radii"] for r in rows], [0, 0.25, 0.5, 1, 1.5, 2])
        self.assertEqual(rows[3]["halo"], plan["halo"]["deconvolve"])
        self.assertTrue(rows[0]["tile"] > 0.02 > rows[2]["tile"] > rows[3]["tile"] > 2 * rows[4]["tile"], rows)
        asked = (rows[1]["tile"] + rows[2]["tile"]) / 2
        found, _ = self.plan(method="shb", iterations=20, psf=psf, tolerance=f"{100 * asked} %")
        self.assertEqual(found["halo"]["deconvolve"], rows[2]["halo"])
        narrow = {"model": "gaussian", "sigma": "1 px"}
        plan, _ = self.plan("null:8x24x24:u16", method="rl", iterations=2, psf=narrow, tolerance="0.08 %")
        small = plan["halo_errors"]["deconvolve"]
        self.assertTrue(small[2]["tile"] > 0.0008 > small[3]["tile"], small)
        self.assertEqual(plan["halo"]["deconvolve"], small[3]["halo"])
        wide, _ = self.plan(preset="reference", iterations=5, psf=psf)
        self.assertEqual(wide["halo"]["deconvolve"], rows[5]["halo"])

    def test_the_table_against_tiles_of_a_stack(self):
        stack = tifffile.imread(real_data("deconvolution/compact.ome.tif"))[:, 160:352, 160:352]
        tifffile.imwrite(self.folder / "crop.tif", stack, metadata={"axes": "ZYX"})
        step = {"deconvolve": {"psf": {"file": real_data("deconvolution/compact_psf.ome.tif")}, "read_noise": 1.5,
                               "method": "shb", "iterations": 15}}
        rows = {r["radii"]: r["rim"] for r in json.loads(self.ok(
            "plan", self.workflow(str(self.folder / "crop.tif"), [step]), "--json").stdout)["halo_errors"]["deconvolve"]}

        def result(tile, radii=1):
            step["deconvolve"]["halo"] = radii
            self.ok("run", self.workflow(str(self.folder / "crop.tif"), [step]), "--output", self.folder / "r.h5",
                    "--overwrite", "--tile", tile, "--memory", "2GiB")
            with h5py.File(self.folder / "r.h5") as f:
                return f["images/deconvolve"][()].astype(float)
        whole, rim = result("whole"), np.zeros(stack.shape, bool)
        rim[:, 80:112], rim[:, :, 80:112] = True, True
        for radii in (0, 0.5, 1):
            difference = result("64x96x96", radii) - whole
            found = np.linalg.norm(difference[rim]) / np.linalg.norm(whole[rim])
            self.assertTrue(1 / 3 < rows[radii] / found < 3, (radii, rows[radii], found))

    def test_a_table_for_each_channel(self):
        image = self.folder / "two.ome.tif"
        tifffile.imwrite(image, np.stack([self.photons, self.photons]), photometric="minisblack", metadata={"axes": "CZYX"})

        def tables(psf):
            file = self.workflow({"image": str(image), "channel": "all"}, [{"deconvolve": {
                "method": "rl", "iterations": 2, "psf": psf}}])
            found = json.loads(self.ok("plan", file, "--json").stdout)["halo_errors"]
            self.assertEqual([t["channel"] for t in found], [0, 1])
            self.assertEqual([list(t["steps"]) for t in found], [["deconvolve"]] * 2)
            return [t["steps"]["deconvolve"] for t in found], self.ok("plan", file).stdout
        one, text = tables({"model": "gaussian", "sigma": "1 px"})
        self.assertEqual(one[0], one[1])
        self.assertIn("tiles of deconvolve of channel 1: as of channel 0\n", text)
        for channel, width in enumerate((1, 2)):
            z, y, x = np.ogrid[-3:4, -5:6, -5:6]
            tifffile.imwrite(self.folder / f"psf-{channel}.tif", np.exp(-(z**2 + y**2 + x**2) / 2 / width**2).astype("f4"),
                             metadata={"axes": "ZYX"})
        two, text = tables({"file": str(self.folder / "psf-{channel}.tif")})
        self.assertNotEqual(two[0], two[1])
        self.assertIn("tiles of deconvolve of channel 1 against", text)


if __name__ == "__main__":
    unittest.main()
