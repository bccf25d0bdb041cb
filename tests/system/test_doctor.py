"""tarkka doctor: what it says is true of this machine, and it tells problems as problems."""
import json
import os
import pathlib
import unittest

import h5py
from harness import SystemTest, instruction_sets, tarkka

ONE_RANK = ["mpi", "transports", "claims", "binding", "instructions", "threads", "memory", "huge pages", "slurm", "hdf5",
            "folder", "writing", "cache"]
# What is set where the tests run would change what is expected.
for variable in [name for name in os.environ if name.startswith(("SLURM_", "OMP_", "GOMP_", "KMP_", "TARKKA_CPU"))]:
    del os.environ[variable]


class Doctor(SystemTest):
    def report(self, *arguments, ranks=None, environment=None, folder=None):
        """The exit code and the checks by name."""
        variables = {"TARKKA_CACHE": str(self.folder / "cache"), **(environment or {})}
        done = tarkka("doctor", "--json", "--folder", folder or self.folder, *arguments, ranks=ranks,
                      environment=variables)
        report = json.loads(done.stdout)
        self.assertEqual(report["tarkka_doctor"], 1)
        verdicts = [check["verdict"] for check in report["checks"]]
        self.assertLessEqual(set(verdicts), {"ok", "note", "problem"})
        self.assertEqual(report["problems"], verdicts.count("problem"))
        self.assertEqual(report["notes"], verdicts.count("note"))
        self.assertEqual(done.returncode, 1 if report["problems"] else 0, done.stderr)
        for check in report["checks"]:
            self.assertTrue(check["text"])
            self.assertEqual(check["remedy"] is None, check["verdict"] == "ok", check)
        self.assertEqual(len(report["ranks"]), ranks or 1)
        return {check["name"]: check for check in report["checks"]}, report["ranks"]

    def test_one_rank(self):
        checks, ranks = self.report()
        mine = os.sched_getaffinity(0)
        self.assertEqual(list(checks), ONE_RANK)
        self.assertEqual(ranks[0]["processors"], len(mine))
        self.assertEqual(ranks[0]["sharers"], 1)
        self.assertEqual(ranks[0]["host"], os.uname().nodename)
        self.assertTrue(ranks[0]["which"].startswith(str(min(mine))))
        self.assertEqual(checks["mpi"]["facts"]["ranks"], 1)
        self.assertEqual(checks["claims"]["facts"]["scheduler"], "static")
        self.assertEqual(checks["instructions"]["facts"]["detected"], instruction_sets()[-1])
        memory = checks["memory"]["facts"]
        self.assertEqual(memory["machine_bytes"], os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE"))
        self.assertGreater(memory["planned_bytes_per_rank"], 0)
        filters = checks["hdf5"]["facts"]["filters"]
        self.assertTrue(filters["deflate"] and filters["shuffle"])
        self.assertEqual(filters["fletcher32"], bool(h5py.h5z.filter_avail(h5py.h5z.FILTER_FLETCHER32)))
        self.assertTrue(checks["writing"]["facts"]["links"] and checks["writing"]["facts"]["renames"])
        self.assertGreater(checks["writing"]["facts"]["write_bytes_s"], 0)
        self.assertEqual(list(self.folder.iterdir()), [], "the trial was not removed, or the cache was made")

    def test_two_ranks(self):
        checks, ranks = self.report(ranks=2)
        self.assertEqual(list(checks), ONE_RANK[:3] + ["messages"] + ONE_RANK[3:])
        self.assertEqual(checks["mpi"]["facts"], {**checks["mpi"]["facts"], "ranks": 2, "machines": 1})
        self.assertEqual([rank["ranks_here"] for rank in ranks], [2, 2])
        claims = checks["claims"]["facts"]
        quick = claims["counter"] and claims["mean_s"] <= 1e-3 and claims["longest_s"] <= 50e-3
        self.assertEqual(claims["scheduler"], "rma" if quick else "server")
        self.assertGreater(checks["messages"]["facts"]["latency_s"], 0)
        self.assertGreater(checks["messages"]["facts"]["bytes_s"], 0)

    def test_ranks_that_share_a_processor_are_a_problem(self):
        for ranks in (1, 2):
            here = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {min(here)})
            try:
                checks, told = self.report(ranks=ranks)
            finally:
                os.sched_setaffinity(0, here)
            self.assertEqual([rank["which"] for rank in told], [str(min(here))] * ranks)
            self.assertEqual([rank["sharers"] for rank in told], [ranks] * ranks)
            self.assertEqual(checks["binding"]["verdict"] == "problem", ranks > 1)

    def test_a_folder_that_takes_no_files_is_a_problem(self):
        missing, file = self.folder / "missing", self.write("file", "x")
        folders = {missing: "No such file", file: "not a folder", "/proc": "cannot be created"}
        if os.getuid() != 0:
            closed = self.folder / "closed"
            closed.mkdir(mode=0o500)
            folders[closed] = "Permission denied"
        for ranks in (None, 2):
            for folder, words in folders.items():
                checks, _ = self.report(folder=folder, ranks=ranks)
                self.assertEqual(checks["writing"]["verdict"], "problem")
                self.assertIn(words, checks["writing"]["text"])

    def test_kinds_of_file_system_have_names(self):
        mounts = [line.split()[1:3] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        if ["/dev/shm", "tmpfs"] not in mounts or not os.access("/dev/shm", os.W_OK):
            self.skipTest("/dev/shm is not a tmpfs here")
        checks, _ = self.report(folder="/dev/shm")
        self.assertEqual(checks["folder"]["facts"]["kind"], "tmpfs")
        self.assertEqual(checks["folder"]["verdict"], "note")

    def test_variables_that_disturb(self):
        for variables, check, verdict in (
                ({"OMP_PROC_BIND": "true"}, "threads", "note"), ({"OMP_NUM_THREADS": "977"}, "threads", "note"),
                ({"TARKKA_CPU": "avx1024"}, "instructions", "problem"),
                ({"TARKKA_CPU": "baseline"}, "instructions", "ok"),
                ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "977"}, "slurm", "problem"),
                ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1"}, "slurm", "ok"),
                ({"SLURM_JOB_ID": "7", "SLURM_MEM_PER_CPU": "500"}, "memory", "note")):
            checks, _ = self.report(environment=variables)
            self.assertEqual(checks[check]["verdict"], verdict, f"{variables}: {checks[check]}")
        checks, _ = self.report(environment={"OMP_PROC_BIND": "true"}, ranks=2)
        self.assertEqual(checks["threads"]["verdict"], "problem")

    def test_plans_in_the_cache_are_counted(self):
        cache = self.folder / "cache"
        cache.mkdir()
        for name, days in (("fftw-a.wisdom", 3.5), ("fftw-b.wisdom", 0), ("probe", 9), (".hidden.wisdom", 9)):
            (cache / name).write_text("x" * 10)
            written = (cache / name).stat().st_mtime - days * 86400
            os.utime(cache / name, (written, written))
        checks, _ = self.report()
        facts = checks["cache"]["facts"]
        self.assertEqual((facts["plans"], facts["bytes"], facts["oldest_s"] // 86400), (2, 20, 3))
        self.assertEqual(facts["folder"], str(cache))
        self.write("blocked", "x")
        checks, _ = self.report(environment={"TARKKA_CACHE": str(self.folder / "blocked" / "cache")})
        self.assertEqual(checks["cache"]["verdict"], "note")

    def test_text_for_people(self):
        done = tarkka("doctor", "--folder", self.folder / "missing")
        self.assertEqual(done.returncode, 1)
        self.assertIn("PROBLEM  writing", done.stdout)
        self.assertIn("-> name a folder", done.stdout)
        self.assertIn("rank  processors", done.stdout)
        self.assertEqual(done.stderr, "tarkka: 1 problem found; what to do about it stands above\n")


if __name__ == "__main__":
    unittest.main()
