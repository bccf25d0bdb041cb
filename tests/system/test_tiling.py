"""tarkka tiling: a result's workflow again in other tiles; and running again what a result records."""
import json
import unittest

import h5py

from harness import SystemTest

STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}}, "threshold", "label", {"measure": {"intensity": "input"}}]
INEXACT = {"deconvolve": {"iterations": 3, "psf": {"model": "gaussian", "sigma": "1.5 px"}, "keep": True}}


class Tiling(SystemTest):
    def setUp(self):
        super().setUp()
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "24x64x64", "--objects", "6", "--seed", "5")
        self.image, self.result = self.folder / "p.ome.tif", self.folder / "R.h5"

    def run_steps(self, steps, *options):
        self.ok("run", self.workflow("p.ome.tif", steps), "--output", "R.h5", *options, cwd=self.folder)

    def test_identical(self):
        self.run_steps(STEPS)
        for options in ({}, {"ranks": 2}):
            said = json.loads(self.ok("tiling", self.result, "--json", **options).stdout)
            self.assertEqual((said["identical"], said["different"], said["not_exact"]), (3, 0, 0))
        self.assertIn("16x16x16", self.ok("tiling", self.result, "--tile", "16x16x16").stdout)
        self.assertEqual(sorted(p.name for p in self.folder.glob("R.*")), ["R.h5", "R.provenance.json"])

    def test_the_second_result_is_kept(self):
        self.run_steps(STEPS)
        self.ok("tiling", self.result, "--output", self.folder / "again.h5")
        with h5py.File(self.result) as first, h5py.File(self.folder / "again.h5") as second:
            self.assertTrue((first["labels/label"][...] == second["labels/label"][...]).all())
            tiles = [json.loads(f["provenance/run"][()])["plan"]["tile"] for f in (first, second)]
        self.assertNotEqual(*tiles)

    def test_different(self):
        self.run_steps(STEPS)
        with h5py.File(self.result, "r+") as file:
            record = json.loads(file["provenance/run"][()])
            output = next(o for o in record["outputs"] if o["path"] == "/labels/label")
            output["sha256"] = output["sha256"][::-1]
            del file["provenance/run"]
            file["provenance/run"] = json.dumps(record)
        message = self.fails(5, "other tiles", arguments=("tiling", self.result))
        self.assertIn("R.h5", message)

    def test_what_is_not_exact(self):
        self.run_steps([{"gaussian": {"sigma": "1 px", "keep": True}}, INEXACT, "threshold", "label"], "--tile", "24x32x32")
        said = json.loads(self.ok("tiling", self.result, "--json").stdout)
        self.assertEqual({o["path"]: o["outcome"] for o in said["outputs"]}["/images/gaussian"], "identical")
        self.assertGreater(said["not_exact"], 0)
        self.assertEqual(said["different"], 0)

    def test_nothing_to_prove(self):
        self.run_steps([INEXACT, "threshold"], "--tile", "24x32x32")
        self.fails(1, "deconvolve", arguments=("tiling", self.result))

    def test_no_result(self):
        self.fails(3, "p.ome.tif", arguments=("tiling", self.image))

    def test_the_record_runs_again(self):
        """The workflow as it was given is itself a workflow; with the same tile, the same bytes."""
        self.run_steps([INEXACT, {"threshold": {"method": "fixed", "value": 60}}, "label"], "--set", "threshold.value=70",
                       "--tile", "24x32x32")
        first = json.loads((self.folder / "R.provenance.json").read_text())
        again = self.write("again.yaml", json.dumps(first["workflow_given"]))
        self.ok("run", again, "--output", "again.h5", "--tile", "24x32x32", cwd=self.folder)
        second = json.loads((self.folder / "again.provenance.json").read_text())
        self.assertEqual(first["workflow"]["steps"], second["workflow"]["steps"])
        self.assertEqual([o["sha256"] for o in first["outputs"]], [o["sha256"] for o in second["outputs"]])


if __name__ == "__main__":
    unittest.main()
