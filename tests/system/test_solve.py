"""Steps that are solved on the whole image by all ranks together (step `spread` of the trial program): the same bytes for
any number of ranks, whatever happens on the way."""
import json
import signal
import time
import unittest

import h5py
import numpy as np

from crash import DONE, FAILED, STOPPED, UNREADABLE, USAGE, CrashTest
from harness import QUICK

IMAGE, SHAPE, TILE = "null:21x40x48", (21, 40, 48), "16x32x32"
ITERATIONS = 8
MIB = 1 << 20


def spread(**parameters):
    return {"spread": {"iterations": ITERATIONS, "keep": True, **parameters}}


def expected(image, iterations=ITERATIONS):
    """The step, in the order of its own operations."""
    for _ in range(iterations):
        image = np.roll(np.add.accumulate(image, axis=0, dtype=np.float32), 1, axis=0)
        planes = [np.add.accumulate(plane.ravel(), dtype=np.float64)[-1] for plane in image]
        total = 0.0
        for plane in planes:
            total += plane
        image = image * np.float32(100.0 * image.size / total)
    return image


class SolveTest(CrashTest):
    def arguments(self, file, *options, output=None):
        return ("run", file, "--output", output or self.result, "--tile", TILE, *options)

    def count(self, event):
        return len(self.marked(event))

    def values(self):
        """What the steps of the result hold."""
        with h5py.File(self.result) as file:
            return {path: file[path][()] for path in ("images/gaussian", "images/spread") if path in file}

    def check(self, **parameters):
        """The finished result is what the step is to make of its input."""
        found = self.values()
        np.testing.assert_array_equal(found["images/spread"], expected(found["images/gaussian"], **parameters))
        self.assertFalse(self.work.exists())
        return found["images/spread"].tobytes()

    def chain(self, **parameters):
        """The solve reads what a step before it makes."""
        return self.steps({"gaussian": {"sigma": "1 px", "keep": True}}, spread(**parameters), image=IMAGE)


class SameBytes(SolveTest):
    def test_any_number_of_ranks_and_any_tiles(self):
        file = self.steps({"gaussian": {"sigma": "1 px", "keep": True}}, spread(), {"gaussian": {"sigma": "2 px",
                          "name": "smooth", "keep": True}}, "threshold", "label",
                          {"measure": {"intensity": "spread"}}, image=IMAGE)
        results = []
        for ranks, tile in ((None, TILE), (1, "whole"), (2, TILE), (3, "8x40x16"), (4, TILE))[:3 if QUICK else 5]:
            self.finish("run", file, "--output", self.result, "--tile", tile, "--overwrite", ranks=ranks)
            self.check()
            with h5py.File(self.result) as found:
                results.append({name: found[name][()].tobytes() for name in
                                ("images/spread", "images/smooth", "labels/label", "tables/measure/intensity_sum")
                                if name in found})
            self.assertEqual(results[-1], results[0], (ranks, tile))
        self.assertGreaterEqual(len(results[0]), 3)

    def test_from_the_input_and_one_after_the_other(self):
        """No step before it; the input's voxels are checked as tiles' are; a solve may follow a solve."""
        rng = np.random.default_rng(5)
        image = rng.uniform(1, 9, (3, 12, 14)).astype(np.float32)
        with h5py.File(self.folder / "in.h5", "w") as file:
            file["image"] = image
        steps = [spread(iterations=2), spread(iterations=3, name="again")]
        file = self.steps(*steps, image=str(self.folder / "in.h5"))
        self.finish("run", file, "--output", self.result, ranks=4)  # one of them has no planes
        with h5py.File(self.result) as found:
            np.testing.assert_array_equal(found["images/again"][()], expected(expected(image, 2), 3))
        with h5py.File(self.folder / "in.h5", "r+") as damaged:
            damaged["image"][2, 4, 5] = np.nan
        text = self.finish("run", file, "--output", self.result, "--overwrite", ranks=2, expected=UNREADABLE)
        self.assertIn("z 2, y 4, x 5", text)


    def test_channels_and_time_points(self):
        """Each is solved by itself; what was solved before a kill is not solved again."""
        rng = np.random.default_rng(6)
        image = rng.uniform(1, 9, (2, 2, 6, 12, 14)).astype(np.float32)  # t c z y x
        with h5py.File(self.folder / "in.h5", "w") as file:
            file["image"] = image
        source = {"image": str(self.folder / "in.h5"), "channel": "all", "time": "all"}
        file = self.write("w.yaml", json.dumps({"tarkka": 1, "input": source, "steps": [spread(pause=40)]}))
        run = self.start("run", file, "--output", self.result, "--checkpoint", "0.01s", ranks=2)
        self.wait_for(lambda: self.count("iteration") >= 2 * ITERATIONS + 4, "the second channel", run)
        run.kill_all()
        self.clear_marks()
        text = self.finish("run", file, "--output", self.result, "--resume", ranks=3)
        self.assertLessEqual(self.count("iteration"), 2 * ITERATIONS)
        self.assertEqual(text.count("is solved already"), 2)
        with h5py.File(self.result) as found:
            for time in range(2):
                for channel in range(2):
                    np.testing.assert_array_equal(found[f"images/spread/t{time:04d}/c{channel:02d}"][()],
                                                  expected(image[time, channel]))


class Interrupted(SolveTest):
    def test_killed_and_resumed_by_other_ranks(self):
        file = self.chain(pause=150)
        run = self.start(*self.arguments(file, "--checkpoint", "0.1s"), ranks=3)
        self.wait_for(lambda: self.count("saved") >= 1, "a saved state", run)
        run.kill_all()
        self.clear_marks()
        text = self.finish(*self.arguments(file, "--resume"), ranks=2)
        self.assertIn("goes on after iteration", text)
        self.assertLess(self.count("iteration"), ITERATIONS)
        self.check()

    def test_stopped_by_a_signal_and_by_the_clock(self):
        """Nothing is lost: every iteration is done once."""
        file = self.chain(pause=300)
        run = self.start(*self.arguments(file), ranks=2)
        self.wait_for(lambda: self.count("iteration") >= 2, "iterations", run)
        run.send(signal.SIGUSR1)  # mpirun passes it on
        self.assertEqual(run.wait(60), STOPPED, run.text())
        self.assertIn("no further iteration is begun", run.text())
        status = json.loads((self.work / "status.json").read_text())
        self.assertEqual((status["state"], status["solving"], status["tiles"]), ("stopped", True, ITERATIONS))
        done = self.count("iteration")
        text = self.finish(*self.arguments(file, "--resume", "--max-time", "1.5s", "--grace", "1s"), ranks=None,
                           expected=STOPPED)
        self.assertIn("--max-time is over", text)
        self.assertGreater(self.count("iteration"), done)
        self.finish(*self.arguments(file, "--resume"), ranks=4)
        self.assertEqual(self.count("iteration"), ITERATIONS)
        self.check()

    def test_damaged_states_do_not_count(self):
        """The last state is damaged: the one before it is taken; then both."""
        file = self.chain(pause=100)
        run = self.start(*self.arguments(file, "--checkpoint", "0.1s"))
        self.wait_for(lambda: self.count("saved") >= 1, "a saved state", run)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(60), STOPPED, run.text())
        states = sorted(self.work.glob("saved-spread-*.bin"), key=lambda p: p.stat().st_mtime_ns)
        self.assertEqual(len(states), 2)
        for damaged in (states[1:], states[:1]):
            for path in damaged:
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(bytes(data))
            before = self.count("iteration")
            run = self.start(*self.arguments(file, "--resume"), ranks=2)
            if damaged == states[1:]:
                self.wait_for(lambda: "goes on after iteration" in run.text(), "the state before", run)
                run.kill_all()
                self.assertGreaterEqual(self.count("iteration"), before)
            else:
                self.assertEqual(run.wait(60), DONE, run.text())
                self.assertNotIn("goes on after", run.text())
                self.assertEqual(self.count("iteration") - before, ITERATIONS)
        self.check()

    def test_what_is_solved_is_not_solved_again(self):
        """Stopped in the stage after it; then, with a damaged plane, it is."""
        file = self.steps({"gaussian": {"sigma": "1 px", "keep": True}}, spread(), {"wait": {"median": 150}}, image=IMAGE)
        for damage in (False, True):
            self.clear_marks()
            run = self.start(*self.arguments(file, "--overwrite"), ranks=2)
            self.wait_for(lambda: self.count("end") >= 1, "a tile of the next stage", run)
            run.kill_all()
            self.assertEqual(self.count("iteration"), ITERATIONS)
            self.assertEqual(list(self.work.glob("saved-*")), [])
            if damage:
                path = self.work / "spread.raw"
                data = bytearray(path.read_bytes())
                data[5000] ^= 64
                path.write_bytes(bytes(data))
            text = self.finish(*self.arguments(file, "--resume"), ranks=3)
            self.assertEqual("solved already" in text, not damage, text)
            self.assertEqual(self.count("iteration"), ITERATIONS * (2 if damage else 1))
            self.check()


class Failing(SolveTest):
    def test_too_little_memory_is_refused_with_the_numbers(self):
        file = self.steps(spread(), image="null:100x400x400")
        plan = json.loads(self.finish("plan", file, "--ranks", "1", "--json", "--memory", "1GiB", threads=None))
        needed = plan["forecast"]["memory_per_rank"] // MIB
        self.assertGreater(needed, 180 + 44)
        for command in ("run", "plan"):
            options = ("--output", self.result) if command == "run" else ("--ranks", "1")
            text = self.finish(command, file, *options, "--memory", "230MiB", expected=USAGE, threads=None)
            self.assertIn("spread computes on the whole image at once", text)
            self.assertIn(f"needs {needed + 1} MiB a rank on 1 rank", text)
        least = int(text.split("start ")[1].split(" ranks")[0])
        plan = json.loads(self.finish("plan", file, "--json", "--memory", "230MiB", threads=None))
        self.assertEqual(plan["forecast"]["ranks"], least)
        self.assertLessEqual(plan["forecast"]["memory_per_rank"], 230 * MIB)
        self.assertEqual(plan["stages"][0]["solve"], "spread")
        self.finish("plan", file, "--ranks", str(least - 1), "--memory", "230MiB", expected=USAGE, threads=None)

    def test_an_error_on_one_rank_ends_all(self):
        file = self.chain(how="error")
        for ranks in (None, 3):
            self.clear_marks()
            begun = time.monotonic()
            text = self.finish(*self.arguments(file, "--overwrite"), ranks=ranks, expected=FAILED)
            self.assertIn("spread: it was to fail", text)
            self.assertLess(time.monotonic() - begun, 30)
        self.finish(*self.arguments(file, "--resume"), ranks=2)
        self.check()

    def test_planes_that_were_not_written(self):
        text = self.finish(*self.arguments(self.chain(how="unwritten")), ranks=2, expected=FAILED)
        self.assertIn(f"spread: only {SHAPE[0] - 1} of {SHAPE[0]} planes were written", text)

    def test_a_rank_that_hangs_or_dies(self):
        for how, words in (("hang", "rank 1 on"), ("kill", "")):
            file = self.chain(how=how, at=3, pause=40)
            self.clear_marks()
            run = self.start(*self.arguments(file, "--overwrite", "--watchdog", "3s", "--checkpoint", "0.001s"), ranks=2)
            code = run.wait(60)
            self.assertEqual(code, STOPPED if words else code, run.text())
            self.assertNotEqual(code, DONE)
            self.assertIn(words, run.text())
            run.kill_all()
            text = self.finish(*self.arguments(file, "--resume"), ranks=3)
            self.assertIn("goes on after iteration", text)
            self.check()


if __name__ == "__main__":
    unittest.main()
