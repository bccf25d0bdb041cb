"""Full disks and used-up quotas, at many points of a run: a message with file and remedy, exit code 1, and once there
is room, the same bytes.

A small file system (tmpfs) is mounted for each size, which needs root; errors of single calls come from tests/faults."""
import os
import shutil
import subprocess
import unittest

from crash import DONE, FAILED, LONG, CrashTest, contents, need_faults

STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"wait": {"median": 0}}, "threshold", "label",
         {"measure": {"intensity": "input"}}]
IMAGE, TILE = "null:48x96x96:f32", "16x48x48"
FRACTIONS = [.02, .05, .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .98]


class Disk(CrashTest):
    def setUp(self):
        super().setUp()
        self.file = self.steps(*STEPS, image=IMAGE)
        self.finish("run", self.file, "--output", self.folder / "reference.h5", "--tile", TILE)
        self.reference = contents(self.folder / "reference.h5")

    def run_to(self, result, *options, **how):
        return self.finish("run", self.file, "--output", result, "--tile", TILE, *options, timeout=60, **how)

    def assert_message(self, text, *words):
        lines = [line for line in text.splitlines() if line.startswith("tarkka: ")]
        said = [line for line in lines if all(word in line for word in ("R.", *words))]
        self.assertTrue(said, text)


class SmallDisk(Disk):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        self.result = self.disk / "R.h5"
        self.work = self.disk / "R.h5.work"
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tarkka-test", self.disk], capture_output=True)
        if mounted.returncode:
            print("SKIPPED NO SMALL DISK: mounting a tmpfs needs root", flush=True)
            raise unittest.SkipTest("mounting needs root")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.disk], check=True)

    def empty(self):
        for path in self.disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def most_used(self):
        """Bytes that an undisturbed run has on the disk at most."""
        run = self.start("run", self.file, "--output", self.result, "--tile", TILE)
        most = 0
        while run.process.poll() is None:
            about = os.statvfs(self.disk)
            most = max(most, (about.f_blocks - about.f_bfree) * about.f_frsize)
        self.assertEqual(run.wait(), DONE, run.text())
        self.empty()
        return most

    def fills_up(self, size, ranks):
        """Does a run on a disk of this size fail? It is resumed with more room."""
        self.empty()
        self.resize(size)
        run = self.start("run", self.file, "--output", self.result, "--tile", TILE, ranks=ranks)
        code = run.wait(60)
        self.assertIn(code, (DONE, FAILED), run.text())
        if code == FAILED:
            self.assert_message(run.text(), "No space left on device", "free some space")
            self.assertFalse(self.result.exists())
            self.assertLessEqual({p.name for p in self.disk.iterdir()}, {"R.h5.work"})
            self.resize("1g")
            self.run_to(self.result, "--resume", ranks=None if ranks else 2)
        self.assert_same(self.result, self.reference)
        return code == FAILED

    def test_sizes(self):
        most = self.most_used()
        sizes = [4096, 8192, 16384] + [int(most * f) // 4096 * 4096 for f in FRACTIONS]
        failed = []
        for number, size in enumerate(sizes):
            with self.subTest(size=size, of=most):
                if self.fills_up(size, 2 if LONG or number % 5 == 1 else None):
                    failed.append(size)
        print(f"full at {len(failed)} sizes from {min(failed)} to {max(failed)} bytes; {most} are needed")
        self.assertGreaterEqual(len(failed), 10)


class Calls(Disk):
    """One call fails, and from then on all that follow."""

    def fails_at(self, kind, number, error, words, ranks=None):
        run = self.start("run", self.file, "--output", self.result, "--tile", TILE, ranks=ranks,
                         faults=f"{kind} R. nth={number} errno={error}")
        code = run.wait(60)
        self.assertIn(code, (DONE, FAILED), run.text())
        if code == FAILED:
            self.assert_message(run.text(), words, "free some space")
            if self.result.exists():  # all but the provenance has its name
                self.assertEqual((kind, contents(self.result)), ("make", self.reference))
            self.run_to(self.result, "--resume")
        self.assert_same(self.result, self.reference)
        self.result.unlink()
        self.result.with_suffix(".provenance.json").unlink()
        return code == FAILED

    def all_calls(self, kind, error, words):
        need_faults()
        number, failures = 1, 0
        while self.fails_at(kind, number, error, words):
            number += 1 if LONG else 1 + number // 2
            failures += 1
        print(f"{error} at {failures} of {number - 1} calls ({kind})")
        return failures

    def test_writes_without_space(self):
        self.assertGreater(self.all_calls("write", "ENOSPC", "No space left on device"), 5)

    def test_writes_beyond_the_quota(self):
        self.assertGreater(self.all_calls("write", "EDQUOT", "quota"), 5)

    def test_syncs_without_space(self):
        self.assertGreater(self.all_calls("sync", "ENOSPC", "No space left on device"), 1)

    def test_files_that_cannot_be_made(self):
        self.assertGreater(self.all_calls("make", "EDQUOT", "quota"), 2)


if __name__ == "__main__":
    unittest.main()
