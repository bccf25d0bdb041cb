"""Tiles and ranks that fail, hang, stop or die: what can be finished is finished, the rest is said, and nothing hangs."""
import json
import signal
import unittest

import h5py
import numpy as np

from crash import DONE, FAILED, GIVEN_UP, STOPPED, UNREADABLE, CrashTest, contents, need_faults

IMAGE, TILE, SHAPE = "null:32x64x64", "16x32x32", (32, 64, 64)
VOXEL = [20, 40, 10]  # in the tile z 16..32, y 32..64, x 0..32
BAD = (slice(16, 32), slice(32, 64), slice(0, 32))
WATCHDOG = "4s"


def fail(how="error", times=0, name=None):
    at = [f"{v} px" for v in VOXEL]
    return {"fail": {"at": at, "how": how, "times": times, **({"name": name} if name else {})}}


def local_steps(*bad):
    """Steps that look no farther than a voxel, so that all but the bad tile must be right."""
    return [{"wait": {"median": 20, "keep": True}}, *bad, {"threshold": {"method": "fixed", "value": 40}}]


class FaultTest(CrashTest):
    def arguments(self, file, *options):
        return ("run", file, "--output", self.result, "--tile", TILE, *options)

    def reference(self, file):
        """The result of the same workflow when nothing goes wrong."""
        path = self.folder / "reference.h5"
        if not path.exists():
            workflow = json.loads(file.read_text())
            workflow["steps"] = [s for s in workflow["steps"] if not (isinstance(s, dict) and "fail" in s)]
            other = self.write("reference.yaml", json.dumps(workflow))
            self.finish("run", other, "--output", path, "--tile", TILE)
        return path

    def provenance(self):
        return json.loads(self.result.with_suffix(".provenance.json").read_text())

    def remove_result(self):
        self.result.unlink()
        self.result.with_suffix(".provenance.json").unlink()

    def check_given_up(self, file, text):
        """One tile is missing, is listed, and all others are right."""
        self.assertIn("16", text)
        self.assertIn("given up", text)
        listed = self.provenance()["given_up"]
        self.assertEqual(len(listed), 1, listed)
        with h5py.File(self.result) as found, h5py.File(self.reference(file)) as expected:
            for path in ("images/wait", "images/threshold"):
                right = expected[path][()]
                right[BAD] = found[path][BAD]
                np.testing.assert_array_equal(found[path][()], right)


class FailingTiles(FaultTest):
    def test_a_tile_that_heals_is_made(self):
        file = self.steps(*local_steps(fail(times=2)), image=IMAGE)
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                self.clear_marks()
                self.finish(*self.arguments(file, "--overwrite"), ranks=ranks)
                self.assertEqual(len(self.marked("attempt")), 3)
                self.assertFalse(self.provenance().get("given_up"))

    def test_a_tile_that_always_fails_is_given_up(self):
        file = self.steps(*local_steps(fail()), image=IMAGE)
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                self.clear_marks()
                text = self.finish(*self.arguments(file, "--overwrite"), expected=GIVEN_UP, ranks=ranks)
                self.assertEqual(len(self.marked("attempt")), 3, "a tile is tried three times")
                self.check_given_up(file, text)

    def test_not_more_than_allowed(self):
        file = self.steps(*local_steps(fail()), image=IMAGE)
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                self.clear_marks()
                text = self.finish(*self.arguments(file, "--give-up", "0", "--overwrite"), expected=FAILED, ranks=ranks)
                self.assertIn("fail: failed on the tile at z 16, y 32, x 0", text)
                self.assertFalse(self.result.exists())

    def test_steps_after_it_see_the_whole(self):
        """A tile that is given up takes no part in what is decided and measured; the run still ends well."""
        file = self.steps({"wait": {"median": 5}}, fail(), "threshold", "label", {"measure": {"intensity": "input"}},
                          image=IMAGE)
        text = self.finish(*self.arguments(file), expected=GIVEN_UP, ranks=2)
        self.assertIn("given up", text)
        with h5py.File(self.result) as found, h5py.File(self.reference(file)) as expected:
            self.assertEqual(found["labels/label"][BAD].max(), 0)
            self.assertEqual(len(found["tables/measure/volume"]), len(expected["tables/measure/volume"]) - 1 * 2 * 2)

    def test_given_up_is_remembered_by_a_resume(self):
        """It is given up in the first stage, and the run is stopped in the last."""
        file = self.steps(fail(), "background", {"wait": {"median": 300, "keep": True}}, image=IMAGE)
        run = self.start(*self.arguments(file))
        self.wait_for(lambda: self.marked("end"), "a tile of the last stage", run)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(60), STOPPED, run.text())
        attempts = len(self.marked("attempt"))
        text = self.finish(*self.arguments(file, "--resume"), expected=GIVEN_UP, ranks=2)
        self.assertIn("given up", text)
        self.assertEqual(len(self.provenance()["given_up"]), 1)
        self.assertEqual(len(self.marked("attempt")), attempts, "what was given up is tried no more")


class FailingReads(FaultTest):
    def setUp(self):
        super().setUp()
        need_faults()
        rng = np.random.default_rng(8)
        with h5py.File(self.folder / "in.h5", "w") as file:
            data = rng.integers(0, 1000, SHAPE).astype(np.uint16)
            made = file.create_dataset("image", data=data, chunks=(16, 32, 32))
            at = next(made.id.get_chunk_info(i).byte_offset for i in range(made.id.get_num_chunks())
                      if made.id.get_chunk_info(i).chunk_offset == (16, 32, 0))
        self.where = f"read in.h5 from={at + 100} to={at + 101} errno=EIO"
        self.file = self.steps({"wait": {"median": 5, "keep": True}}, {"threshold": {"method": "fixed", "value": 400}},
                               image=str(self.folder / "in.h5"))

    def test_an_error_that_heals(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                self.clear_marks()
                self.finish(*self.arguments(self.file), ranks=ranks, faults=self.where + " times=2")
                self.assertEqual(len(list(self.state.iterdir())), 2)
                self.assert_same(self.result, contents(self.reference(self.file)))
                self.remove_result()

    def test_an_error_that_stays(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                text = self.finish(*self.arguments(self.file, "--overwrite"), expected=GIVEN_UP, ranks=ranks,
                                   faults=self.where)
                self.check_given_up(self.file, text)
                self.assertIn("in.h5", text)
                self.remove_result()

    def test_an_error_that_may_not_be(self):
        text = self.finish(*self.arguments(self.file, "--give-up", "0"), expected=UNREADABLE, ranks=2, faults=self.where)
        self.assertIn("in.h5", text)


class LostRanks(FaultTest):
    def file(self, *bad):
        return self.steps({"wait": {"median": 60, "keep": True}}, *bad, "threshold", "label",
                          {"measure": {"intensity": "input"}}, image=IMAGE)

    def resume(self, file, ranks=2):
        self.finish(*self.arguments(file, "--resume"), ranks=ranks)
        for name, value in contents(self.reference(file)).items():
            self.assertEqual(contents(self.result)[name], value, name)

    def test_a_tile_that_hangs(self):
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                self.clear_marks()
                file = self.file(fail("hang", times=1))
                text = self.finish(*self.arguments(file, "--watchdog", WATCHDOG), expected=STOPPED, ranks=ranks, timeout=60)
                self.assertRegex(text, r"rank \d .*tile 6\b")
                self.resume(file)
                self.remove_result()

    def test_a_rank_that_is_stopped(self):
        file = self.file()
        for rank in (0, 1):
            with self.subTest(rank=rank):
                run = self.hold(2, *self.arguments(file, "--watchdog", WATCHDOG), ranks=3)
                run.send(signal.SIGSTOP, rank=rank)
                self.let_go()
                self.assertEqual(run.wait(60), STOPPED, run.text())
                self.assertTrue(run.wait_until_gone(), "ranks are left")
                self.assertRegex(run.text(), rf"rank {rank}\b.*no sign of life")
                self.resume(file)
                self.remove_result()

    def test_a_rank_that_dies(self):
        for how in ("segv", "abort", "exit", "kill"):
            with self.subTest(how=how):
                self.clear_marks()
                file = self.file(fail(how, times=1))
                run = self.start(*self.arguments(file), ranks=3)
                code = run.wait(60)
                self.assertIsNotNone(code, "the other ranks have not ended")
                self.assertNotIn(code, (DONE, GIVEN_UP))
                self.assertTrue(run.wait_until_gone(), "ranks are left")
                self.assert_only_work_left()
                self.resume(file)
                self.remove_result()

    def test_the_launcher_dies(self):
        file = self.file()
        run = self.start(*self.arguments(file), ranks=2)
        self.wait_for(lambda: len(self.marked("end")) >= 1, "tiles", run)
        run.send(signal.SIGKILL)
        run.wait(30)
        self.assertTrue(run.wait_until_gone(30), "ranks are left without mpirun")
        self.resume(file)


if __name__ == "__main__":
    unittest.main()
