"""Runs the tarkka program, alone and under mpirun, and reads what it wrote with other people's libraries."""
import atexit
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TARKKA = os.environ.get("TARKKA_BIN", str(pathlib.Path(__file__).resolve().parents[2] / "build/release/tarkka"))
MPIRUN = os.environ.get("TARKKA_MPIRUN", "mpirun")  # the launcher of the MPI that tarkka is built with
DATA = os.environ.get("TARKKA_TEST_DATA")
QUICK = bool(os.environ.get("TARKKA_TEST_QUICK"))  # sanitizer builds: fewer combinations, the same code paths
ROOT = pathlib.Path(__file__).resolve().parents[2]

# Tests run beside each other: launchers that share a session folder, which each makes and removes, get in each other's
# way now and then.
SESSIONS = tempfile.mkdtemp(prefix="tk-mpi-")
atexit.register(shutil.rmtree, SESSIONS, ignore_errors=True)

# Open MPI on one machine: shared memory only, more ranks than cores allowed, no binding.
MPI_ENVIRONMENT = {
    "OMPI_MCA_orte_tmpdir_base": SESSIONS,
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl": "self,vader", "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_osc": "^ucx", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_plm": "isolated", "OMPI_MCA_ras": "^slurm", "PMIX_MCA_gds": "hash",
}


def may_not_skip(what):
    """Is this kind of test one that must run here? TARKKA_MAY_NOT_SKIP is a list of words."""
    return what in os.environ.get("TARKKA_MAY_NOT_SKIP", "").replace(",", " ").split()


def real_data(path):
    """A file of the real test images; skips the test, loudly, where there are none."""
    if DATA:
        return str(pathlib.Path(DATA) / path)
    message = f"NO REAL IMAGES: set TARKKA_TEST_DATA to a folder with {path}"
    if may_not_skip("real-images"):
        raise AssertionError(message + " (this test may not be skipped here)")
    print("SKIPPED " + message, flush=True)
    raise unittest.SkipTest(message)


def launch(command, ranks=None, environment=None, timeout=300, cwd=None):
    """Runs any program; ranks=None means without mpirun."""
    if ranks:
        command = [MPIRUN, "-n", str(ranks), *command]
    env = {**os.environ, **MPI_ENVIRONMENT, "OMP_WAIT_POLICY": "passive", **(environment or {})}
    if ranks and "ASAN_OPTIONS" in env:  # leaks are looked for in runs without mpirun; it takes seconds in each rank
        env["ASAN_OPTIONS"] += ":detect_leaks=0"
    return subprocess.run(command, env=env, capture_output=True, text=True, errors="replace", timeout=timeout, cwd=cwd)


def tarkka(*arguments, ranks=None, threads=None, isa=None, environment=None, timeout=300, cwd=None):
    """Runs a command; ranks=None means without mpirun."""
    command = [TARKKA, *map(str, arguments)]
    if threads:
        command += ["--threads", str(threads)]
    return launch(command, ranks, {**(environment or {}), **({"TARKKA_CPU": isa} if isa else {})}, timeout, cwd)


def sha256(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def instruction_sets():
    """Those that this machine runs, best last."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    sets = ["baseline"]
    if " avx2 " in flags and " fma " in flags:
        sets.append("avx2")
        if all(f" {f} " in flags for f in ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")):
            sets.append("avx512")
    return sets


class SystemTest(unittest.TestCase):
    """Each test gets an empty folder of its own."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tarkka-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def workflow(self, image, steps, name="workflow.yaml"):
        """A workflow file from a list of steps, each a dict {step: parameters}."""
        return self.write(name, json.dumps({"tarkka": 1, "input": image, "steps": steps}))

    def ok(self, *arguments, **options):
        done = tarkka(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        return done

    def files_of_examples(self):
        """What the examples of steps read, in this test's folder: model.h5, a classifier that has learned two nuclei."""
        self.ok("phantom", "nuclei", self.folder / "learn", "--size", "12x40x40", "--objects", "2")
        self.ok("train", self.folder / "learn.ome.tif", self.folder / "learn_labels.ome.tif", "--output",
                self.folder / "model.h5", "--sigmas", "0.7,1.2", "--trees", "10")

    def fails(self, exit_code, *words, arguments, **options):
        """The command ends with this exit code and one message (one line) that holds all these words."""
        done = tarkka(*arguments, **options)
        self.assertEqual(done.returncode, exit_code, f"{arguments}: {done.stderr}")
        messages = [line for line in done.stderr.splitlines() if line.startswith("tarkka: ")]
        self.assertEqual(len(messages), 1, done.stderr)
        for word in words:
            self.assertIn(word, messages[0])
        return messages[0]
