"""Stopping politely and going on: what --resume accepts and refuses, who may work on a result, and damaged work files."""
import json
import os
import signal
import time
import unittest

from crash import DONE, FAILED, STOPPED, UNREADABLE, USAGE, CrashTest, contents, dice, journal, need_faults, tiles_of

TILE = "8x32x32"
# An image that is kept, one that is not, a decision over the whole image, labels and a table.
STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"wait": {"median": 0}}, "threshold", "label",
         {"measure": {"intensity": "input"}}]


class Resume(CrashTest):
    steps_used = STEPS

    def setUp(self):
        super().setUp()
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "24x64x64", "--objects", "6", "--seed", "5")
        self.image = self.folder / "p.ome.tif"
        self.file = self.steps(*self.steps_used, image=str(self.image))

    def arguments(self, *options, tile=TILE, file=None):
        return ("run", file or self.file, "--output", self.result, "--tile", tile, *options)

    def reference(self):
        path = self.folder / "reference.h5"
        if not path.exists():
            self.finish("run", self.file, "--output", path, "--tile", TILE)
        return contents(path)

    def interrupt(self, tiles=4, number=signal.SIGTERM, ranks=None, to=None):
        """Begins a run and stops it in this tile by a signal to all ranks, or to one; returns what it printed."""
        run = self.hold(tiles, *self.arguments(), ranks=ranks)
        for rank in [to] if to is not None else [None] if ranks is None else range(ranks):
            run.send(number, rank=rank)
        return self.stopped(run)

    def stopped(self, run):
        """Once the run says that it will stop: lets the tiles in flight go, and expects it to have stopped."""
        self.wait_for(lambda: "no further tile is begun" in run.text(), "the stop", run)
        self.let_go()
        self.assertEqual(run.wait(60), STOPPED, run.text())
        self.assertTrue(run.wait_until_gone())
        return run.text()

    def resume(self, *options, expected=DONE, **how):
        return self.finish(*self.arguments("--resume", *options), expected=expected, **how)

    def records(self):
        records, bad, _ = journal(self.work)
        self.assertEqual(bad, [])
        return records


class Stopping(Resume):
    def check_stopped(self, text):
        self.assertFalse(self.result.exists())
        self.assertIn("resume", text)
        status = json.loads((self.work / "status.json").read_text())
        self.assertEqual(status["state"], "stopped")
        self.assertFalse((self.work / "lock").exists())

    def check_signal(self, number, ranks=None, to=None):
        """All tiles that were begun are finished, and on record. A rank that hears of the stop late may begin one more."""
        text = self.interrupt(number=number, ranks=ranks, to=to)
        self.check_stopped(text)
        self.assertIn(number.name, text)
        begun, finished = ({name.split("-")[1] for name in self.marked(event)} for event in ("begin", "end"))
        self.assertEqual(begun, finished)
        self.assertGreaterEqual(len(finished), 4 + (ranks or 1))
        self.assertEqual(len({tile for _, tile in tiles_of(self.records())}), len(finished))
        self.resume(ranks=None if ranks else 2)
        self.assert_same(self.result, self.reference())

    def test_a_signal_to_the_only_rank(self):
        self.check_signal(signal.SIGTERM)

    def test_a_signal_to_all_ranks(self):
        self.check_signal(signal.SIGUSR1, ranks=2)

    def test_a_signal_to_one_rank_of_two(self):
        self.check_signal(signal.SIGINT, ranks=2, to=1)

    def test_a_signal_to_mpirun_only(self):
        run = self.hold(3, *self.arguments(), ranks=2)
        run.send(signal.SIGUSR1)
        self.stopped(run)
        self.resume()
        self.assert_same(self.result, self.reference())

    def test_max_time(self):
        """The run ends by itself, with tiles left to do: it waits for ever in one of them."""
        run = self.hold(3, *self.arguments("--max-time", "6s", "--grace", "1s"))
        self.assertEqual(run.wait(60), STOPPED, run.text())
        self.check_stopped(run.text())
        self.assertIn("--max-time", run.text())
        self.assertEqual(len(tiles_of(self.records())), 3)

    def test_the_stop_file(self):
        run = self.hold(3, *self.arguments(), ranks=2)
        (self.work / "stop").touch()
        self.check_stopped(self.stopped(run))
        self.resume(ranks=2)
        self.assert_same(self.result, self.reference())

    def test_a_tile_that_takes_longer_than_the_grace(self):
        run = self.hold(2, *self.arguments("--grace", "1s"), ranks=2)
        run.send(signal.SIGTERM, rank=1)
        self.assertEqual(run.wait(30), STOPPED, run.text())
        self.assertTrue(run.wait_until_gone())
        self.check_stopped(run.text())
        self.resume()
        self.assert_same(self.result, self.reference())

    def test_a_second_signal_ends_at_once(self):
        for ranks in (None, 2):
            with self.subTest(ranks=ranks):
                run = self.hold(0, *self.arguments("--overwrite"), ranks=ranks)
                run.send(signal.SIGTERM, rank=0 if ranks else None)
                time.sleep(2.2)
                self.assertIsNone(run.process.poll(), "one signal must leave tiles in flight their time")
                run.send(signal.SIGTERM, rank=0 if ranks else None)
                self.assertEqual(run.wait(20), STOPPED, run.text())
                self.assertTrue(run.wait_until_gone())


class Accepted(Resume):
    def test_other_ranks_and_threads_and_kills_while_resuming(self):
        # Of the first stage's 12 tiles, 3 to 5 are made before the stop; 5 more are made or held up before the kill.
        self.interrupt(1, ranks=2)
        known = tiles_of(self.records())
        run = self.hold(2, *self.arguments("--resume"), ranks=3, threads=2)
        run.kill_all()
        self.assertLessEqual(known, tiles_of(self.assert_only_work_left()))
        self.resume(threads=2)
        self.assert_same(self.result, self.reference())

    def test_killed_while_copying(self):
        need_faults()
        self.interrupt(9)
        known = tiles_of(self.records())
        for number in (1, 3, 9):
            run = self.start(*self.arguments("--resume"), faults=f"write part-2.h5 nth={number} die=before")
            self.assertEqual(run.wait(), -signal.SIGKILL, run.text())
            self.assertLessEqual(known, tiles_of(self.assert_only_work_left()))
        self.resume()
        self.assert_same(self.result, self.reference())

    def test_nothing_to_go_on_from(self):
        self.resume()
        self.assert_same(self.result, self.reference())

    def test_a_finished_result(self):
        self.resume()
        before = self.result.stat().st_mtime_ns
        self.clear_marks()
        self.resume()
        self.assertEqual(self.result.stat().st_mtime_ns, before)
        self.assertEqual(self.marked("begin"), [])

    def test_anew_without_resume(self):
        self.interrupt(3)
        text = self.finish(*self.arguments(), expected=FAILED)
        self.assertIn("--resume", text)
        self.assertIn("--overwrite", text)
        self.finish(*self.arguments("--overwrite"))
        self.assert_same(self.result, self.reference())


class Refused(Resume):
    def setUp(self):
        super().setUp()
        self.interrupt(3)
        self.before = {p.name: p.read_bytes() for p in self.work.iterdir() if p.name != "status.json"}

    def refused(self, code, *words, arguments):
        text = self.finish(*arguments, expected=code)
        for word in words:
            self.assertIn(word, text)
        after = {p.name: p.read_bytes() for p in self.work.iterdir() if p.name != "status.json"}
        self.assertEqual(after, self.before, "a refused run has changed what it refused")

    def test_another_workflow(self):
        changed = json.loads(json.dumps(STEPS).replace('"1 px"', '"2 px"'))
        other = self.workflow(str(self.image), changed, name="other.yaml")
        self.refused(USAGE, "sigma", "1 px", "2 px", arguments=self.arguments("--resume", file=other))
        self.refused(USAGE, "sigma", arguments=self.arguments("--resume", "--set", "gaussian.sigma=2 px"))

    def test_a_changed_input(self):
        data = bytearray(self.image.read_bytes())
        data[-1] ^= 1
        self.image.write_bytes(data)
        text = self.start(*self.arguments("--resume"))
        self.assertIn(text.wait(), (USAGE, UNREADABLE), text.text())
        self.assertIn("p.ome.tif", text.text())

    def test_another_grid(self):
        self.refused(USAGE, "tile", arguments=self.arguments("--resume", tile="24x32x32"))
        self.finish("run", self.file, "--output", self.result, "--resume")  # without one, it is the journal's
        self.assert_same(self.result, self.reference())

    def test_another_instruction_set(self):
        run = self.start(*self.arguments("--resume"), environment={"TARKKA_CPU": "baseline"})
        code = run.wait()
        was = next(r for r in self.records() if "job" in r)["job"]["instruction_set"] if code else None
        self.assertIn(code, (DONE, USAGE), run.text())
        if code:
            self.assertIn(was, run.text())


class Exclusion(Resume):
    def test_two_runs_at_once(self):
        first = self.hold(2, *self.arguments(), ranks=2)
        for options in (("--resume",), ("--overwrite",), ()):
            text = self.finish(*self.arguments(*options), expected=FAILED)
            self.assertIn("another run", text)
            self.assertIn(os.uname().nodename, text)
        self.let_go()
        self.assertEqual(first.wait(), DONE, first.text())
        self.assert_same(self.result, self.reference())

    def test_a_lock_of_a_dead_process(self):
        self.hold(3, *self.arguments()).kill_all()
        self.assertTrue((self.work / "lock").exists())
        self.resume()
        self.assert_same(self.result, self.reference())

    def test_a_lock_without_contents(self):
        self.interrupt(3)
        (self.work / "lock").write_text("")
        old = time.time() - 1000
        os.utime(self.work / "lock", (old, old))
        self.resume()
        self.assert_same(self.result, self.reference())

    def test_many_at_once(self):
        """Of several that resume at once, one works and the others say so; the result is right."""
        self.interrupt(3)
        runs = [self.start(*self.arguments("--resume")) for _ in range(4)]
        codes = sorted(run.wait() for run in runs)
        self.assertEqual(codes[0], DONE, [run.text() for run in runs])
        self.assertLessEqual(set(codes), {DONE, FAILED})
        self.assert_same(self.result, self.reference())


class Damaged(Resume):
    """Work files that are not what was written: what they held is made again, and the result is the same."""

    def setUp(self):
        super().setUp()
        self.interrupt(9)
        self.assertGreater(len(tiles_of(self.records())), 3)

    def finish_and_compare(self):
        self.resume()
        self.assert_same(self.result, self.reference())

    def flip(self, path, places):
        data = bytearray(path.read_bytes())
        for place in places:
            data[place % len(data)] ^= 0x55
        path.write_bytes(data)


class DamagedFiles(Damaged):

    def test_a_torn_last_line(self):
        path = self.work / "journal"
        path.write_bytes(path.read_bytes()[:-7])
        self.finish_and_compare()

    def test_damaged_chunks(self):
        path = max(self.work.glob("part-*.h5"))
        places = [c[4] + c[5] // 2 for r in self.records() for c in r.get("chunks", [])]
        self.assertTrue(places)
        self.flip(path, places[::3])
        self.finish_and_compare()

    def test_a_part_that_is_cut_off(self):
        path = max(self.work.glob("part-*.h5"))
        os.truncate(path, path.stat().st_size * 2 // 3)
        self.finish_and_compare()

    def test_a_part_that_is_gone(self):
        for path in self.work.glob("part-*.h5"):
            path.unlink()
        self.finish_and_compare()

    def test_a_damaged_decision(self):
        for path in self.work.glob("decision-*.bin"):
            self.flip(path, [0, 3, 5])
        self.finish_and_compare()


class DamagedLines(Damaged):
    """Nothing but the journal's own checksums tells what is damaged: no intermediate image is stored."""
    steps_used = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"wait": {"median": 0}},
                  {"threshold": {"method": "fixed", "value": 60}}]

    def test_a_damaged_line_in_the_middle(self):
        """It still reads well, and speaks of another tile, which has not been made."""
        path = self.work / "journal"
        lines = path.read_bytes().split(b"\n")
        done = tiles_of(self.records())
        stage, tile = max(done)
        missing = next(n for n in range(12) if (stage, n) not in done)
        which = next(i for i, line in enumerate(lines) if f'"tile":[{stage},{tile}]'.encode() in line)
        lines[which] = lines[which].replace(f'"tile":[{stage},{tile}]'.encode(), f'"tile":[{stage},{missing}]'.encode())
        path.write_bytes(b"\n".join(lines))
        self.assertEqual(journal(self.work)[1], [which])
        self.finish_and_compare()


class DamagedStores(Damaged):
    """An intermediate image that is not kept, in a store of its own."""
    steps_used = [{"deconvolve": {"iterations": 3, "psf": {"model": "gaussian", "sigma": "1.5 px"}, "keep": False}},
                  {"wait": {"median": 0}}, "threshold", "label", {"measure": {"intensity": "wait"}}]

    def test_damaged_intermediate_images(self):
        stores = sorted(self.work.glob("*.raw"))
        self.assertTrue(stores, "this workflow is to store an image")
        random = dice("stores")
        for path in stores:
            self.flip(path, [random.randrange(path.stat().st_size) for _ in range(5)])
        self.finish_and_compare()

    def test_intermediate_images_that_are_gone(self):
        for path in self.work.glob("*.raw"):
            path.unlink()
        self.finish_and_compare()


if __name__ == "__main__":
    unittest.main()
