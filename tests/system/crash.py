"""Runs that are watched, killed, stopped and resumed, and what they leave behind: shared by the tests of faults.

Programs are started in a session of their own, so that all their processes are found again, and ranks by what their
launcher has put into their environment. Only processes of that session are ever sent a signal."""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import zlib

import h5py

from harness import MPI_ENVIRONMENT, MPIRUN, ROOT, SystemTest, sha256

TRIAL = os.environ.get("TARKKA_TRIAL_BIN", str(ROOT / "build/release/tests/tarkka-trial"))
FAULTS = os.environ.get("TARKKA_FAULTS_LIBRARY", str(ROOT / "build/release/tests/libtarkka_faults.so"))
LONG = bool(os.environ.get("TARKKA_TEST_LONG"))
SANITIZED = "TARKKA_FAULTS_LIBRARY" not in os.environ and "ASAN_OPTIONS" in os.environ
DONE, FAILED, USAGE, UNREADABLE, GIVEN_UP, STOPPED = 0, 1, 2, 3, 4, 75


def need_faults():
    """Skips, saying so, where the library of faults cannot be preloaded (a sanitizer must come first)."""
    if SANITIZED or not pathlib.Path(FAULTS).exists():
        print("SKIPPED NO FAULTS LIBRARY: it does not go together with sanitizers", flush=True)
        raise unittest.SkipTest("no faults library")


def dice(name):
    """Random numbers that can be had again: TARKKA_TEST_SEED chooses others."""
    seed = os.environ.get("TARKKA_TEST_SEED", "1")
    return random.Random(f"{name} {seed}")


class Run:
    """A run under way."""

    def __init__(self, folder, command, environment):
        self.log = open(folder / f"log-{time.monotonic_ns()}", "w+", encoding="utf-8", errors="replace")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True, cwd=folder)

    def alive(self):
        """Process numbers of everything that lives of it, and the rank of each (None: mpirun, or no ranks)."""
        found = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
                if fields[0] in "ZX" or int(fields[3]) != self.process.pid:
                    continue
                environment = (stat.parent / "environ").read_bytes().split(b"\0")
            except (OSError, IndexError):
                continue
            rank = [e.split(b"=")[1] for e in environment if e.startswith((b"OMPI_COMM_WORLD_RANK=", b"PMI_RANK="))]
            found[int(stat.parent.name)] = int(rank[0]) if rank else None
        return found

    def ranks(self):
        """rank -> process number."""
        return {rank: pid for pid, rank in self.alive().items() if rank is not None}

    def send(self, number, rank=None):
        """A signal to a rank, or to the process that was started (without mpirun: the run itself)."""
        pid = self.process.pid if rank is None else self.ranks().get(rank)
        try:
            if pid:
                os.kill(pid, number)
        except ProcessLookupError:
            pass

    def kill_all(self):
        """The power goes off."""
        for _ in range(50):
            left = self.alive()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not left:
                break
            time.sleep(0.02)
        self.process.wait()

    def text(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def wait(self, timeout=120):
        """The exit code; what does not end in time is killed, and answers None."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            return None
        return self.process.returncode

    def wait_until_gone(self, seconds=10):
        """Are all its processes gone within this time?"""
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def journal(work):
    """The sound records of a journal, and the numbers of the lines that are not, counted from 0."""
    path = pathlib.Path(work) / "journal"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    if lines and lines[-1] == b"":
        lines.pop()
    records, bad = [], []
    for number, line in enumerate(lines):
        try:
            crc, text = line.split(b" ", 1)
            if int(crc, 16) != zlib.crc32(text):
                raise ValueError
            records.append(json.loads(text))
        except ValueError:
            bad.append(number)
    return records, bad, len(lines)


def tiles_of(records):
    """The set of (stage, tile) that a journal says are done."""
    return {tuple(r["tile"]) for r in records if "tile" in r}


def contents(path):
    """Everything that has to be the same in two results: type, shape and bytes of each dataset, and recorded sums."""
    found = {}
    with h5py.File(path) as file:
        for group in ("images", "labels", "tables"):
            if group in file:
                file[group].visititems(lambda name, item: found.update({
                    f"{group}/{name}": (str(item.dtype), item.shape, sha256(item[()]), str(item.attrs.get("sha256")))})
                    if isinstance(item, h5py.Dataset) else None)
    return found


class CrashTest(SystemTest):
    """Runs in a folder of their own; what is alive at the end of a test is killed, and fails it."""

    def setUp(self):
        super().setUp()
        self.marks, self.state = self.folder / "marks", self.folder / "state"
        self.marks.mkdir()
        self.state.mkdir()
        self.shared = pathlib.Path(tempfile.mkdtemp(prefix="tarkka-test-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, self.shared, ignore_errors=True)
        self.result = self.folder / "R.h5"
        self.work = self.folder / "R.h5.work"
        self.begun = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for run in self.begun:
            run.kill_all()
            run.log.close()

    def start(self, *arguments, ranks=None, threads=1, program=TRIAL, faults=None, hold=None,
              environment=None):
        """Starts `tarkka-trial ARGUMENTS`; ranks=None: without mpirun. faults: see tests/faults/faults.c. hold: the tile
        at which the step `wait` waits for let_go."""
        command = [program, *map(str, arguments), *(["--threads", str(threads)] if threads else [])]
        own = {"TARKKA_TRIAL_MARKS": str(self.marks)}
        if faults:
            own |= {"LD_PRELOAD": FAULTS, "TARKKA_FAULTS": faults, "TARKKA_FAULTS_STATE": str(self.state)}
        if hold is not None:
            own["TARKKA_TRIAL_HOLD"] = str(hold)
        command = ["env", *(f"{k}={v}" for k, v in own.items()), *command]
        if ranks:
            command = [MPIRUN, "-n", str(ranks), *command]
        env = {**os.environ, **MPI_ENVIRONMENT, "OMP_WAIT_POLICY": "passive",
               "OMPI_MCA_btl_vader_backing_directory": str(self.shared), "OMPI_MCA_orte_tmpdir_base": str(self.shared),
               **(environment or {})}
        if ranks and "ASAN_OPTIONS" in env:
            env["ASAN_OPTIONS"] += ":detect_leaks=0"
        run = Run(self.folder, command, env)
        self.begun.append(run)
        return run

    def finish(self, *arguments, expected=DONE, timeout=120, **options):
        """Starts and waits; returns what was printed."""
        run = self.start(*arguments, **options)
        code = run.wait(timeout)
        self.assertEqual(code, expected, run.text())
        self.assertTrue(run.wait_until_gone(), "processes are left")
        return run.text()

    def hold(self, tiles, *arguments, **options):
        """A run that has begun all tiles before this one and is held up in it; every rank, where there are several."""
        self.clear_marks()
        run = self.start(*arguments, hold=tiles, **options)
        self.wait_for(lambda: len(self.marked("held")) >= (options.get("ranks") or 1), "the held tiles", run)
        return run

    def let_go(self):
        (self.marks / "go").touch()

    def steps(self, *steps, image="null:32x64x64"):
        return self.workflow(image, list(steps))

    def wait_for(self, condition, what, run=None, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or (run and run.process.poll() is not None):
                self.fail(f"{what} did not come: {run.text() if run else ''}")
            time.sleep(0.01)

    def marked(self, event):
        return [p.name for p in self.marks.glob(f"{event}-*")]

    def clear_marks(self):
        for folder in (self.marks, self.state):
            for path in folder.iterdir():
                path.unlink()

    def assert_same(self, path, expected):
        """The result is there, is the expected one bit for bit, and nothing of the work is left."""
        found = contents(path)
        self.assertEqual(sorted(found), sorted(expected))
        for name, value in expected.items():
            self.assertEqual(found[name], value, name)
        work = pathlib.Path(f"{path}.work")
        self.assertFalse(work.exists(), f"left: {sorted(p.name for p in work.iterdir()) if work.exists() else ''}")
        self.assertTrue(path.with_suffix(".provenance.json").exists())

    def assert_only_work_left(self):
        """After a kill: work files in R.h5.work; a result only when it is whole. Returns the journal's records."""
        ours = {p.name for p in self.folder.iterdir() if p.name.startswith("R.")}
        self.assertLessEqual(ours, {"R.h5", "R.h5.work", "R.provenance.json"})
        if self.result.exists():
            contents(self.result)
        records, bad, lines = journal(self.work)
        self.assertLessEqual(set(bad), {lines - 1}, "a line of the journal before its last is damaged")
        return records
