"""The program as its users meet it: help, schema, results that h5py users find their way in, provenance."""
import hashlib
import json
import pathlib
import unittest

import h5py
import jsonschema
import numpy as np
import tifffile
import yaml

from harness import ROOT, SystemTest, sha256, tarkka


class Program(SystemTest):
    def test_help_everywhere(self):
        text = self.ok("--help").stdout
        commands = [line.split()[0] for line in text.split("Commands:")[1].splitlines() if line.startswith("  ")]
        self.assertLessEqual({"run", "plan", "check", "steps", "info", "phantom", "compare"}, set(commands))
        for command in commands:
            help_text = self.ok(command, "--help").stdout
            self.assertTrue(help_text.startswith(f"tarkka {command} "), command)
            self.assertIn("Options:", help_text)
        self.assertEqual(tarkka().returncode, 2)
        self.assertIn("did you mean 'phantom'", tarkka("fantom").stderr)

    def test_schema_accepts_the_ready_workflows(self):
        schema = json.loads(self.ok("steps", "--json").stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        files = sorted((ROOT / "workflows").glob("*.yaml"))
        self.assertTrue(files)
        for file in files:
            jsonschema.validate(yaml.safe_load(file.read_text()), schema)
            self.ok("check", file)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"tarkka": 1, "steps": [{"gausian": {}}]}, schema)

    def test_every_step_explains_itself(self):
        names = [line.split()[0] for line in self.ok("steps").stdout.splitlines() if "->" in line]
        for name in names:
            self.assertIn("Example:", self.ok("steps", name).stdout)
            self.assertEqual(json.loads(self.ok("steps", name, "--json").stdout)["type"], "object")


class Result(SystemTest):
    def setUp(self):
        super().setUp()
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "24x60x70", "--objects", "7", "--voxel", "0.3x0.1x0.1")
        self.file = self.workflow(str(self.folder / "p.ome.tif"), [
            {"gaussian": {"sigma": "0.2 um"}}, "threshold", "label", {"measure": {"intensity": "input"}}])
        self.result = self.folder / "r.h5"
        self.ok("run", self.file, "--output", self.result, ranks=2)

    def test_names_axes_and_voxel_size(self):
        with h5py.File(self.result) as f:
            self.assertEqual(set(f), {"images", "labels", "tables", "provenance"})
            for path, dtype in (("images/gaussian", "<f4"), ("labels/label", "<u4")):
                self.assertEqual(f[path].dtype, np.dtype(dtype))
                self.assertEqual(f[path].shape, (24, 60, 70))
                self.assertEqual([d.label for d in f[path].dims], ["z", "y", "x"])
                np.testing.assert_allclose(f[path].attrs["element_size_um"], [0.3, 0.1, 0.1])
                self.assertEqual(f[path].compression, "gzip")
            columns = f["tables/measure"]
            self.assertIn("unit", columns["volume"].attrs)
            np.testing.assert_allclose(columns["volume"][()], columns["area"][()] * 0.003, rtol=1e-12)

    def test_the_info_command_reads_what_run_wrote(self):
        info = json.loads(self.ok("info", f"{self.result}:/labels/label", "--json").stdout)
        self.assertEqual(info["size_zyx"], [24, 60, 70])
        np.testing.assert_allclose(info["voxel_um_zyx"], [0.3, 0.1, 0.1])

    def test_the_info_command_shows_a_whole_result(self):
        text = self.ok("info", self.result).stdout
        for path in ("/images/gaussian", "/labels/label", "/tables/measure"):
            self.assertIn(path, text)
        self.assertEqual(json.loads(self.ok("info", self.result, "--json").stdout)["tarkka_provenance"], 1)

    def test_provenance_is_true(self):
        beside = json.loads((self.folder / "r.provenance.json").read_text())
        with h5py.File(self.result) as f:
            self.assertEqual(json.loads(f["provenance/run"][()]), beside)
            for output in beside["outputs"]:
                if output["kind"] != "table":
                    self.assertEqual(output["sha256"], sha256(f[output["path"]][()]))
                    self.assertEqual(output["sha256"], f[output["path"]].attrs["sha256"])
            self.assertIn(b"<OME", f["provenance/input_metadata"][()])
        for entry in beside["inputs"]:
            data = pathlib.Path(entry["file"]).read_bytes()
            self.assertEqual((entry["sha256"], entry["bytes"]), (hashlib.sha256(data).hexdigest(), len(data)))
        self.assertEqual(beside["machine"]["ranks"], 2)
        self.assertEqual([s["step"] for s in beside["steps"]], ["gaussian", "threshold", "label", "measure"])
        self.assertIn("commit", beside["program"])
        decision = next(d for d in beside["decisions"] if d["step"] == "threshold" and d["facts"])
        self.assertTrue(any(isinstance(v, float) for v in decision["facts"].values()))

    def test_the_recorded_workflow_runs_again_to_the_same_bytes(self):
        beside = json.loads((self.folder / "r.provenance.json").read_text())
        again = self.write("again.yaml", json.dumps(beside["workflow"]))
        self.ok("run", again, "--output", self.folder / "again.h5")
        repeated = json.loads((self.folder / "again.provenance.json").read_text())
        self.assertEqual(repeated["outputs"], beside["outputs"])

    def test_nothing_else_is_left(self):
        names = sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("p"))
        self.assertEqual(names, ["r.h5", "r.provenance.json", "workflow.yaml"])

    def test_a_plan_costs_nothing_and_says_much(self):
        plan = json.loads(self.ok("plan", self.file, "--output", self.result, "--tile", "12x30x70", "--json").stdout)
        self.assertEqual(plan["tiles"], 4)
        self.assertIn("stages", plan)
        self.assertIn("tiles", self.ok("plan", self.file).stdout)

    def test_no_tile_that_fits_would_be_much_cheaper(self):
        tifffile.imwrite(self.folder / "plain.tif", np.zeros((20, 300, 420), np.uint8), metadata={"axes": "ZYX"})
        psf = {"model": "gaussian", "sigma": ["2 px", "4 px", "4 px"]}
        file = self.write("plain.yaml", json.dumps({"tarkka": 1, "input": "plain.tif", "output": "plain.h5", "steps": [
            {"deconvolve": {"psf": psf, "method": "shb", "iterations": 20}}]}))

        def rounds(*options):
            """The plan, and its cost where four ranks work; None where it does not fit."""
            done = tarkka("plan", file, "--memory", "220MiB", *options, "--json")
            if done.returncode:
                return None, None
            plan = json.loads(done.stdout)
            return plan, plan["core_seconds"] / plan["tiles"] * -(-plan["tiles"] // 4)
        chosen, cost = rounds()
        for tile, chunk, size in zip(chosen["tile"], chosen["chunk"], chosen["size"]):
            self.assertTrue(tile == size or tile % chunk == 0, chosen)
        others = [f"20x{y}x{x}" for y, x in ((64, 128), (128, 128), (112, 224), (160, 144), (160, 224), (300, 64))]
        fit = {tile: rounds("--tile", tile)[1] for tile in others}
        self.assertGreater(sum(other is not None for other in fit.values()), 3)
        for tile, other in fit.items():
            self.assertTrue(other is None or 0.97 * cost <= 1.001 * other, (chosen["tile"], tile))


class Compare(SystemTest):
    def test_figures_are_scikit_images(self):
        from skimage import metrics
        rng = np.random.default_rng(3)
        truth = rng.gamma(2, 100, (20, 30, 40)).astype(np.float32)
        image = (truth + rng.normal(0, 20, truth.shape)).astype(np.float32)
        for name, data in (("a", image), ("b", truth)):
            tifffile.imwrite(self.folder / f"{name}.tif", data)
        found = json.loads(self.ok("compare", self.folder / "a.tif", self.folder / "b.tif", "--json").stdout)["metrics"]
        self.assertAlmostEqual(found["nrmse"], np.linalg.norm(image - truth.astype(float)) / np.linalg.norm(truth.astype(float)), 6)
        peak = truth.max()
        self.assertAlmostEqual(found["psnr_db"], metrics.peak_signal_noise_ratio(truth, image, data_range=peak), 4)
        self.assertAlmostEqual(found["pearson"], np.corrcoef(image.ravel(), truth.ravel())[0, 1], 6)
        span = float(truth.max() - truth.min())
        expected = metrics.structural_similarity(truth.astype(float), image.astype(float), data_range=span)
        self.assertAlmostEqual(found["ssim"], expected, 4)

    def test_label_metrics_are_scikit_images(self):
        from skimage import metrics
        rng = np.random.default_rng(4)
        truth = np.kron(rng.integers(0, 9, (4, 5, 6)), np.ones((5, 6, 7))).astype(np.uint32)
        found_labels = np.roll(truth, 1, axis=2)
        for name, data in (("a", found_labels), ("b", truth)):
            tifffile.imwrite(self.folder / f"{name}.tif", data)
        found = json.loads(self.ok("compare", self.folder / "a.tif", self.folder / "b.tif", "--labels", "--json").stdout)["metrics"]
        error, _, _ = metrics.adapted_rand_error(truth, found_labels)
        self.assertAlmostEqual(found["adapted_rand_error"], error, 10)
        split, merge = metrics.variation_of_information(truth, found_labels)
        self.assertAlmostEqual(found["voi_split"] + found["voi_merge"], split + merge, 10)

    def test_tolerance_sets_the_exit_code(self):
        a = np.ones((8, 9, 10), np.float32)
        tifffile.imwrite(self.folder / "a.tif", a)
        tifffile.imwrite(self.folder / "b.tif", a * 1.1)
        args = ("compare", self.folder / "a.tif", self.folder / "b.tif", "--tolerance")
        self.assertEqual(tarkka(*args, "0.2").returncode, 0)
        self.assertEqual(tarkka(*args, "0.01").returncode, 5)


if __name__ == "__main__":
    unittest.main()
