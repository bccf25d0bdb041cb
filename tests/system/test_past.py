"""What an interrupted run has left: it is not lost by a run that is refused, and believed only where it is complete."""
import json
import signal
import unittest
import zlib

import h5py

from crash import DONE, FAILED, GIVEN_UP, STOPPED, UNREADABLE, USAGE, CrashTest, contents, journal, tiles_of

STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"wait": {"median": 60}}, "threshold", "label", "measure"]


class Past(CrashTest):
    def setUp(self):
        super().setUp()
        self.file = self.steps(*STEPS)

    def arguments(self, *options):
        return ("run", self.file, "--output", self.result, "--tile", "8x32x32", *options)

    def reference(self):
        path = self.folder / "reference.h5"
        self.finish("run", self.file, "--output", path, "--tile", "8x32x32")
        return contents(path)

    def interrupt(self, *options):
        for mark in self.marks.iterdir():
            mark.unlink()
        run = self.start(*self.arguments(*options))
        self.wait_for(lambda: len(self.marked("end")) >= 5, "the first tiles", run)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(60), STOPPED, run.text())

    def left(self):
        return {p.name: p.read_bytes() for p in self.work.iterdir() if p.name != "status.json"}

    def test_a_refused_run_says_only_why(self):
        self.interrupt()
        before = self.left()
        text = self.finish(*self.arguments("--resume", "--set", "label.connectivity=6"), expected=USAGE)
        self.assertIn("connectivity", text)
        self.assertNotIn("go on with --resume", text)
        text = self.finish(*self.arguments(), expected=FAILED)
        self.assertEqual(text.count("--resume"), 1, text)
        self.assertEqual(self.left(), before)

    def test_messages_that_are_cut(self):
        """Within a letter of two bytes, in one of the two folders."""
        for name in ("é" * 120, "e" + "é" * 120):
            folder = self.folder / name / name
            folder.mkdir(parents=True)
            self.result, self.work = folder / "R.h5", folder / "R.h5.work"
            self.interrupt()
            status = json.loads((self.work / "status.json").read_text())
            self.assertEqual((status["state"], status["output"]), ("stopped", str(self.result)))

    def test_a_journal_without_its_first_line(self):
        self.interrupt()
        journal_file = self.work / "journal"
        data = journal_file.read_bytes()
        journal_file.write_bytes(b"x" + data[1:])
        before = self.left()
        for options in ((), ("--resume",)):
            self.assertIn("first line is damaged", self.finish(*self.arguments(*options), expected=UNREADABLE))
            self.assertEqual(self.left(), before)
        self.finish(*self.arguments("--overwrite"))

    def test_a_refused_overwrite_takes_nothing(self):
        self.interrupt()
        before = self.left()
        self.result.mkdir()
        self.finish(*self.arguments("--overwrite"), expected=FAILED)
        self.assertEqual(self.left(), before)

    def test_a_result_that_was_to_be_replaced_is_not_the_end(self):
        """The older result is of the very same job, but the run was to make it anew."""
        self.finish(*self.arguments())
        older = self.result.stat().st_ino
        self.interrupt("--overwrite")
        self.assertIn("resumed", self.finish(*self.arguments("--resume")))
        self.assertNotEqual(self.result.stat().st_ino, older)
        self.assert_same(self.result, self.reference())

    def test_records_that_do_not_say_all(self):
        """Sound lines, but a chunk, a store or both are missing, or a chunk has another place."""
        self.interrupt()
        records, _, _ = journal(self.work)
        tiles = [r for r in records if "tile" in r and r["chunks"] and r["stores"]]
        self.assertGreaterEqual(len(tiles), 4)
        tiles[0]["chunks"] = []
        tiles[1]["stores"] = []
        tiles[2]["chunks"], tiles[2]["stores"] = [], []
        tiles[3]["chunks"][0][1] += 1
        texts = [json.dumps(r, separators=(",", ":"), sort_keys=True) for r in records]
        (self.work / "journal").write_text("".join(f"{zlib.crc32(t.encode()):08x} {t}\n" for t in texts))
        text = self.finish(*self.arguments("--resume"), expected=DONE)
        self.assertIn(f"resumed: {len(tiles_of(records)) - 4} of", text)
        self.assert_same(self.result, self.reference())

    def test_a_tile_that_is_given_up_holds_zeros(self):
        """Also where a step before the one that failed had written it; and so it does when the run is resumed."""
        steps = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"fail": {"at": "0 px"}}, {"wait": {"median": 60}}]
        self.file = self.steps(*steps)
        found = []
        for interrupted in (False, True):
            if interrupted:
                self.interrupt("--overwrite")
            self.finish(*self.arguments("--resume" if interrupted else "--overwrite"), expected=GIVEN_UP)
            with h5py.File(self.result) as file:
                self.assertFalse(file["images/gaussian"][:8, :32, :32].any())
            found.append(contents(self.result))
        self.assertEqual(*found)


if __name__ == "__main__":
    unittest.main()
