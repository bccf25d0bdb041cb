"""Real images through the whole program, recomputed with numpy, scipy and scikit-image."""
import json
import unittest

import h5py
import numpy as np
import tifffile
from scipy import ndimage
from skimage import filters, measure

import specimen
from harness import QUICK, SystemTest, real_data, sha256


class Deconvolution(SystemTest):
    """A confocal-like stack, 64x512x512 (u16 photons, read noise 1.5), with its measured PSF."""

    def setUp(self):
        super().setUp()
        self.image = real_data("deconvolution/compact.ome.tif")
        self.psf = real_data("deconvolution/compact_psf.ome.tif")
        self.file = self.workflow(self.image, [{"deconvolve": {
            "method": "shb", "iterations": 2 if QUICK else 15, "psf": {"file": self.psf}, "read_noise": 1.5}}])

    def deconvolve(self, name, *options, **ranks):
        output = self.folder / name
        self.ok("run", self.file, "--output", output, *options, **ranks, timeout=900)
        with h5py.File(output) as file:
            return file["images/deconvolve"][()]

    def test_same_voxels_for_any_ranks_and_threads(self):
        counts = [(n, t) for n in (1, 2, 3, 4) for t in (1, 2)] if not QUICK else [(3, 2)]
        found = {(n, t): sha256(self.deconvolve(f"{n}-{t}.h5", ranks=n, threads=t)) for n, t in counts}
        found["alone", 2] = sha256(self.deconvolve("alone.h5", threads=2))
        self.assertEqual(len(set(found.values())), 1, found)
        print(f"{len(found)} runs, one SHA-256: {found.popitem()[1]}")

    def truth(self):
        """The specimen of this stack, proved to be it: its blurred image differs from the stack by noise alone."""
        truth, blurred = specimen.make(tifffile.imread(self.psf))
        mean, deviation = specimen.residual(tifffile.imread(self.image), blurred)
        self.assertLess(abs(mean), 0.01)
        self.assertLess(abs(deviation - 1), 0.01)
        return truth

    def test_quality_and_tiles_against_the_whole(self):
        if QUICK:
            self.skipTest("a matter of figures, not of memory errors")
        tiled, truth = self.deconvolve("tiled.h5"), self.truth()
        error = np.linalg.norm(tiled - truth) / np.linalg.norm(truth)
        print(f"NRMSE of the tiled result against the truth: {error:.4f}")
        self.assertLessEqual(error, 0.115)
        with h5py.File(self.folder / "tiled.h5") as file:
            plan = json.loads(file["provenance/run"][()])["plan"]
        self.assertGreater(plan["tiles"], 1)
        self.deconvolve("whole.h5", "--tile", "whole", "--memory", "8GiB")
        report = json.loads(self.ok("compare", f"{self.folder}/tiled.h5:/images/deconvolve",
                                    f"{self.folder}/whole.h5:/images/deconvolve", "--json").stdout)["metrics"]
        print(f"relative RMS of tiles against the whole: {report['nrmse']:.2e}")
        self.assertLessEqual(report["nrmse"], 0.002)


class Segmentation(SystemTest):
    """Simulated nuclei, 96x256x256."""

    STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"threshold": {"keep": True}},
             {"label": {"connectivity": 26}}, {"measure": {"intensity": "input"}}]

    def segment(self, grid, ranks=None):
        image = real_data("segmentation/synthetic3d/nuclei3d_synth.h5") + ":/raw"
        output = self.folder / f"{grid}.h5"
        self.ok("run", self.workflow(image, self.STEPS), "--output", output, "--tile", grid, ranks=ranks)
        return output

    def test_same_bytes_for_any_grid(self):
        def digest(path):
            with h5py.File(path) as f:
                table = {k: sha256(f["tables/measure"][k][()]) for k in f["tables/measure"]}
                return {**table, **{k: sha256(f[k][()]) for k in ("images/gaussian", "images/threshold", "labels/label")}}
        whole = digest(self.segment("whole"))
        for grid, ranks in (("64x64x64", 3), ("37x50x61", 2)):
            self.assertEqual(digest(self.segment(grid, ranks)), whole, grid)

    def test_scikit_image_agrees(self):
        with h5py.File(self.segment("37x50x61", 2)) as f:
            smooth, mask, labels = f["images/gaussian"][()], f["images/threshold"][()], f["labels/label"][()]
            table = {k: f["tables/measure"][k][()] for k in f["tables/measure"]}
        with h5py.File(real_data("segmentation/synthetic3d/nuclei3d_synth.h5")) as f:
            raw = f["raw"][()]
        np.testing.assert_allclose(smooth, ndimage.gaussian_filter(raw.astype("f8"), 1), rtol=2e-6)
        level = filters.threshold_otsu(smooth, nbins=4096)
        width = (smooth.max() - smooth.min()) / 4096
        self.assertLessEqual(abs(smooth[mask == 0].max() - level), 1.5 * width)
        expected = measure.label(mask, connectivity=3)
        np.testing.assert_array_equal(labels, expected)  # the same partition, and numbered by first voxel
        props = measure.regionprops(expected, raw)
        np.testing.assert_array_equal(table["label"], [p.label for p in props])
        np.testing.assert_array_equal(table["area"], [p.area for p in props])
        for k in range(6):
            np.testing.assert_array_equal(table[f"bbox-{k}"], [p.bbox[k] for p in props])
        np.testing.assert_array_equal(table["intensity_sum"], [int(p.image_intensity.sum(dtype="i8")) for p in props])
        np.testing.assert_array_equal(table["intensity_min"], [p.intensity_min for p in props])
        np.testing.assert_array_equal(table["intensity_max"], [p.intensity_max for p in props])
        np.testing.assert_allclose(table["intensity_mean"], [p.intensity_mean for p in props], rtol=1e-12)
        for k in range(3):
            np.testing.assert_allclose(table[f"centroid-{k}"], [p.centroid[k] for p in props], rtol=1e-12)

    def test_real_hdf5_files_are_read_straight(self):
        for name, dataset in (("segmentation/bbbc039/bbbc039_50.h5", "/raw"), ("segmentation/fib25/fib25_sample2.h5", None)):
            path = real_data(name)
            with h5py.File(path) as f:
                dataset = dataset or next("/" + k for k in f if f[k].dtype == np.uint8)
                raw = f[dataset][()]
            output = self.folder / "r.h5"
            self.ok("run", self.workflow(f"{path}:{dataset}", [{"threshold": {"method": "fixed", "value": 100}},
                                                              {"label": {"connectivity": 6}}]),
                    "--output", output, "--overwrite", ranks=2)
            with h5py.File(output) as f:
                np.testing.assert_array_equal(f["labels/label"][()], measure.label(raw > 100, connectivity=1))


if __name__ == "__main__":
    unittest.main()
