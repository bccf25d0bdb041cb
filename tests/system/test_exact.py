"""distribution: exact of the step deconvolve: what all ranks make together is what one tile makes, bit for bit."""
import json
import os
import unittest

import h5py

from crash import CrashTest, journal
from harness import QUICK, TARKKA, sha256

PSF = {"model": "gaussian", "sigma": ["1.5 px", "1.2 px", "1.2 px"]}
SIZE = "22x50x40"


class ExactTest(CrashTest):
    def setUp(self):
        super().setUp()
        self.finish("phantom", "nuclei", self.folder / "p", "--size", SIZE, program=TARKKA, threads=None)

    def workflow_of(self, exact, **parameters):
        step = {"psf": PSF, "method": "shb", "iterations": 6, "background": 20, "read_noise": 2, **parameters}
        if exact:
            step["distribution"] = "exact"
        return self.workflow(str(self.folder / "p.ome.tif"), [{"deconvolve": {k: v for k, v in step.items() if v}}])

    def arguments(self, exact, *options, **parameters):
        return ("run", self.workflow_of(exact, **parameters), "--output", self.result, *options)

    def result_of(self, exact, *options, ranks=None, threads=1, **parameters):
        self.finish(*self.arguments(exact, "--overwrite", *options, **parameters), ranks=ranks, threads=threads,
                    program=TARKKA)
        with h5py.File(self.result) as file:
            return sha256(file["images/deconvolve"][()])


class SameBytes(ExactTest):
    def test_ranks_threads_and_the_untiled_result(self):
        whole = self.result_of(False, "--tile", "whole", threads=2)
        for ranks in (None, 2) if QUICK else (None, 1, 2, 3, 4):
            self.assertEqual(self.result_of(True, ranks=ranks), whole, ranks)
        self.assertEqual(self.result_of(True, "--tile", "16x16x16", ranks=3, threads=2), whole)
        self.assertNotEqual(self.result_of(False, "--tile", "16x16x16"), whole)

    def test_all_methods(self):
        variants = [{"method": None, "iterations": 7}, {"tv": 0.01}, {"memory": "lean"}, {"method": "rl"}]
        for parameters in variants[:1] if QUICK else variants:
            whole = self.result_of(False, "--tile", "whole", **parameters)
            self.assertEqual(self.result_of(True, ranks=3, **parameters), whole, parameters)
        if not QUICK:  # step lengths from the whole image: no tile grid has a part in them
            one = self.result_of(True, "--tile", "whole", method="biggs")
            self.assertEqual(self.result_of(True, "--tile", "16x16x16", ranks=3, method="biggs"), one)

    def test_an_image_of_one_plane(self):
        self.finish("phantom", "nuclei", self.folder / "p", "--size", "1x67x150", "--overwrite", program=TARKKA, threads=None)
        variants = [{}, {"tv": 0.01}, {"memory": "lean"}, {"method": None, "iterations": None}]
        for parameters in variants[:1] if QUICK else variants:
            whole = self.result_of(False, "--tile", "whole", **parameters)
            for ranks in (1, 2, 5):
                self.assertEqual(self.result_of(True, "--tile", "whole", ranks=ranks, threads=2, **parameters), whole,
                                 (parameters, ranks))
        with h5py.File(self.result) as file:
            self.assertGreater(file["images/deconvolve"][()].std(), 1)

    def test_the_automatic_stop(self):
        """It is found on tiles, and what it finds is then made of the whole."""
        options = {"method": None, "iterations": None, "warm_start": 2}
        one = self.result_of(True, "--tile", "16x32x32", **options)
        self.assertEqual(self.result_of(True, "--tile", "16x32x32", ranks=3, **options), one)


class Interrupted(ExactTest):
    def test_killed_and_resumed_by_other_ranks(self):
        many = {"iterations": 300}
        undisturbed = self.result_of(True, **many)
        run = self.start(*self.arguments(True, "--checkpoint", "0.01s", "--overwrite", **many), ranks=3, program=TARKKA)
        self.wait_for(lambda: self.work.exists() and any("saved" in r for r in journal(self.work)[0]), "a saved state", run)
        run.kill_all()
        text = self.finish(*self.arguments(True, "--resume", **many), ranks=2, program=TARKKA)
        self.assertIn("goes on after iteration", text)
        with h5py.File(self.result) as file:
            self.assertEqual(sha256(file["images/deconvolve"][()]), undisturbed)

    def test_damaged_states_do_not_count(self):
        """Sound planes are read before the end of the file is missed: nothing of them may stay."""
        many = {"iterations": 300}
        undisturbed = self.result_of(True, **many)
        run = self.start(*self.arguments(True, "--checkpoint", "0.01s", "--overwrite", **many), program=TARKKA)
        self.wait_for(lambda: self.work.exists() and len(list(self.work.glob("saved-*.bin"))) == 2 and
                      sum("saved" in r for r in journal(self.work)[0]) > 2, "saved states", run)
        run.kill_all()
        for path in self.work.glob("saved-*.bin"):
            os.truncate(path, path.stat().st_size * 9 // 10)
        text = self.finish(*self.arguments(True, "--resume", **many), program=TARKKA)
        self.assertNotIn("goes on after iteration", text)
        with h5py.File(self.result) as file:
            self.assertEqual(sha256(file["images/deconvolve"][()]), undisturbed)


class Planned(ExactTest):
    @unittest.skipIf(QUICK, "sanitizers take memory of their own")
    def test_memory_is_what_the_plan_says(self):
        for size, ranks in (("48x200x200", None), ("48x200x200", 3), ("1x1500x1400", 3)):
            self.finish("phantom", "nuclei", self.folder / "p", "--size", size, "--overwrite", program=TARKKA, threads=None)
            self.finish(*self.arguments(True, "--overwrite", iterations=2), ranks=ranks, program=TARKKA)
            memory = json.loads(self.result.with_suffix(".provenance.json").read_text())["resources"]
            peak, planned = memory["peak_bytes_rank0"], memory["planned_bytes_per_rank"]
            self.assertLessEqual(peak, planned)
            self.assertGreater(peak, 0.6 * planned)  # so small a one is mostly the program

    def test_what_it_cannot_do_is_refused(self):
        for parameters, words in (({"halo": 2}, "is of tiles"), ({"method": "wiener", "iterations": None}, "--tile whole")):
            text = self.finish("plan", self.workflow_of(True, **parameters), expected=2, program=TARKKA, threads=None)
            self.assertIn(words, text)

if __name__ == "__main__":
    unittest.main()
