"""tarkka under a real Slurm on loopback: jobs that `tarkka submit` writes are stopped, cancelled and lose their nodes,
and end with the bytes of an undisturbed run."""
import json
import os
import re
import unittest

import h5py

from harness import QUICK, ROOT, TARKKA, SystemTest, sha256
from slurm_cluster import Cluster, require_slurm, wait_until

# The engine with a step more, `wait`, that takes its time without computing.
TRIAL = os.environ.get("TARKKA_TRIAL_BIN", str(ROOT / "build/release/tests/tarkka-trial"))
TILE = "24x32x64"
STEPS = [
    {"background": {"percentile": "5 %"}},
    {"deconvolve": {"iterations": 12, "psf": {"model": "gaussian", "sigma": ["1 um", "0.325 um", "0.325 um"]},
                    "read_noise": 2, "keep": True}},
    {"wait": {"median": 0}},
    {"gaussian": {"sigma": ["0.75 um", "0.375 um", "0.375 um"], "keep": False}},
    "threshold", {"label": {"connectivity": 6}}, {"measure": {"intensity": "deconvolve"}}]

cluster = None
limited_job = None


def setUpModule():
    global cluster
    require_slurm()
    cluster = Cluster({"main": 2, "slow": 1}).up()
    shared = cluster.folder / "shared"
    shared.mkdir()
    for seed in (1, 2, 3):
        cluster.run(TRIAL, "phantom", "nuclei", shared / f"p{seed}", "--size", "48x128x128", "--seed", seed)
    (shared / "w.yaml").write_text(json.dumps({"tarkka": 1, "input": {"image": "p1.ome.tif"}, "steps": STEPS}))
    cluster.run(TRIAL, "run", shared / "w.yaml", "--output", shared / "undisturbed.h5", "--tile", TILE, "--threads", "2",
                timeout=120)
    cluster.start_rest()
    if not QUICK:
        begin_the_limited_job(shared)


def tearDownModule():
    left = cluster.down()
    if left:
        raise AssertionError(f"processes were left: {left}")


def submit(folder, *options, wait_ms=0, nodes=2, time="10min"):
    """`tarkka submit` of the workflow, one rank of two threads a node; the job's number. A tile takes wait_ms."""
    done = cluster.run(TRIAL, "submit", cluster.folder / "shared/w.yaml", *on_the_site(nodes, time), "--output",
                       folder / "r.h5", "--set", f"wait.median={wait_ms}", *options, cwd=folder)
    return re.search(r"^job +(\d+)", done.stdout, re.M)[1]


def on_the_site(nodes=2, time="10min"):
    return ["--site", "generic", "--cores", "2", "--node-memory", "3900MiB", "--nodes", nodes, "--time", time,
            "--tile", TILE]


def begin_the_limited_job(folder):
    """On a node of its own, beside the other tests: Slurm's shortest limit is a minute."""
    global limited_job
    limited_job = submit(folder, "--partition", "slow", wait_ms=4500, nodes=1, time="1min")


def digests(result):
    """SHA-256 of all images, labels and columns of tables."""
    found = {}
    with h5py.File(result) as f:
        f.visititems(lambda name, o: found.__setitem__(name, sha256(o[()]))
                     if isinstance(o, h5py.Dataset) and not name.startswith("provenance") else None)
    return found


class Slurm(SystemTest):
    def setUp(self):
        super().setUp()
        self.shared = cluster.folder / "shared"
        self.result = self.folder / "r.h5"

    def status(self):
        """status.json of the running or stopped run, or {}."""
        try:
            return json.loads((self.folder / "r.h5.work/status.json").read_text())
        except FileNotFoundError:
            return {}

    def wait_for_tiles(self, job, tiles=2):
        """Until so many tiles of the present sweep are done."""
        wait_until(lambda: self.status().get("tiles_done", 0) >= tiles, 60,
                   lambda: f"{tiles} tiles of {self.status()}\n{cluster.tell(job)}")

    def assert_undisturbed(self, job, result=None):
        """The job has ended well, with the bytes of the run that nothing disturbed, and nothing else is left."""
        ended = cluster.wait(job)
        self.assertEqual((ended["JobState"], ended["ExitCode"]), ("COMPLETED", "0:0"), cluster.tell(job))
        self.assertTrue((result or self.result).exists(), cluster.tell(job))
        self.assertEqual(digests(result or self.result), digests(self.shared / "undisturbed.h5"))
        self.assertFalse((self.folder / "r.h5.work").exists())
        return ended


class Jobs(Slurm):
    def test_a_job_on_two_nodes(self):
        job = submit(self.folder)
        ended = self.assert_undisturbed(job)
        self.assertEqual((ended["NumNodes"], ended["NumTasks"], ended["CPUs/Task"]), ("2", "2", "2"))
        machine = json.loads((self.folder / "r.provenance.json").read_text())["machine"]
        self.assertEqual((machine["ranks"], machine["threads_per_rank"]), (2, 2))

    def test_refusals_are_explained(self):
        with self.assertRaisesRegex(AssertionError, "no such partition"):
            submit(self.folder, "--partition", "nowhere")


class Disturbed(Slurm):
    def test_told_to_stop(self):
        """What happens before the time limit: all ranks get USR1. The job stops, is put back and goes on."""
        job = submit(self.folder, wait_ms=600)
        self.wait_for_tiles(job)
        cluster.run("scancel", "--signal=USR1", job)
        wait_until(lambda: cluster.job(job)["Restarts"] == "1", 40, lambda: "a restart\n" + cluster.tell(job))
        self.assertEqual(self.status().get("state"), "stopped")
        self.assert_undisturbed(job)
        self.assertIn("resumed: ", (self.folder / f"slurm-{job}.out").read_text())

    def test_cancelled_and_submitted_again(self):
        job = submit(self.folder, wait_ms=600)
        self.wait_for_tiles(job)
        cluster.run("scancel", job)
        self.assertEqual(cluster.wait(job)["JobState"], "CANCELLED", cluster.tell(job))
        self.assertFalse(self.result.exists())
        done_before = self.status()["fraction"]
        self.assertGreater(done_before, 0)
        again = cluster.sbatch(self.folder / "r.h5.sbatch", cwd=self.folder)
        self.assert_undisturbed(again)

    def test_a_node_dies(self):
        job = submit(self.folder, wait_ms=600)
        self.wait_for_tiles(job)
        cluster.kill_node("n2")
        self.addCleanup(lambda: "n2" in cluster.idle() or cluster.restart_node("n2"))
        cluster.wait(job, "PENDING", hurry=False)
        cluster.restart_node("n2")
        self.assertEqual(self.assert_undisturbed(job)["Restarts"], "1")


@unittest.skipIf(QUICK, "sanitizers learn nothing new from it")
class TheClusterItself(Slurm):
    def test_nodes_are_apart_and_a_dead_one_gives_its_job_back(self):
        job = cluster.sbatch("--nodelist=n1", "--requeue", "--output", self.folder / "log", "--open-mode=append",
                             "--wrap", "hostname; cat /proc/sys/kernel/random/boot_id; sleep 60", cwd=self.folder)

        def said(words):
            log = self.folder / "log"
            return wait_until(lambda: log.exists() and len(log.read_text().split()) >= words and log.read_text().split(),
                              30, lambda: f"{words} words\n" + cluster.tell(job))
        said(2)
        cluster.kill_node("n1")
        self.assertEqual(cluster.processes(f"{cluster.folder}/n1"), [])
        cluster.wait(job, "PENDING", hurry=False)
        cluster.restart_node("n1")
        self.assertEqual(cluster.wait(job, "RUNNING")["Restarts"], "1")
        words = said(4)
        cluster.run("scancel", job)
        cluster.wait(job)
        if cluster.separate:
            self.assertEqual(words[0::2], ["n1", "n1"])
            self.assertNotEqual(words[1], words[3])


@unittest.skipIf(QUICK, "sanitizers learn nothing new from it")
class ManyImages(Slurm):
    def submit(self, how):
        """All three images, on the three nodes' cores as `how` says; the job's number."""
        self.write("many.yaml", json.dumps({"tarkka": 1, "inputs": {"images": f"{self.shared}/p[123].ome.tif"},
                                            "output": "{stem}.h5", "steps": STEPS}))
        done = cluster.run(TRIAL, "submit", self.folder / "many.yaml", *on_the_site(nodes=1), how, cwd=self.folder)
        return re.search(r"^job +(\d+)", done.stdout, re.M)[1]

    def check(self, jobs):
        for job in jobs:
            ended = cluster.wait(job)
            self.assertEqual((ended["JobState"], ended["ExitCode"]), ("COMPLETED", "0:0"), cluster.tell(job))
        for seed in (1, 2, 3):
            cluster.run(TRIAL, "run", self.shared / "w.yaml", "--input", self.shared / f"p{seed}.ome.tif", "--output",
                        self.folder / "alone.h5", "--tile", TILE, "--threads", "2", "--overwrite", timeout=120)
            self.assertEqual(digests(self.folder / f"p{seed}.h5"), digests(self.folder / "alone.h5"))

    def test_an_array(self):
        job = self.submit("--array")
        self.check([f"{job}_{i}" for i in range(3)])

    def test_packed_into_one_job(self):
        self.check([self.submit("--pack")])


@unittest.skipIf(QUICK, "sanitizers learn nothing new from it")
class Readme(Slurm):
    def test_on_a_cluster(self):
        """The section of the README, literally, after what it expects to be there."""
        section = (ROOT / "README.md").read_text().split("\n## On a cluster\n")[1].split("\n## ")[0]
        commands = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.S))
        self.assertIn("tarkka submit", commands)
        folder = self.folder / "quickstart-output"
        folder.mkdir()
        (self.folder / "workflows").symlink_to(ROOT / "workflows")
        path = f"{os.path.dirname(TARKKA)}:{cluster.env['PATH']}"
        cluster.run(TARKKA, "phantom", "nuclei", folder / "phantom")
        done = cluster.run("bash", "-euo", "pipefail", "-c", commands, cwd=folder, timeout=180, PATH=path, check=False)
        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}{cluster.logs()}")
        memory = re.search(r"--memory (\S+)", done.stdout)[1]  # the printed script says it; the tiles follow from it
        cluster.run(TARKKA, "run", ROOT / "workflows/quickstart.yaml", "--input", folder / "phantom.ome.tif", "--output",
                    folder / "alone.h5", "--memory", memory, timeout=120)
        self.assertEqual(digests(folder / "cluster.h5"), digests(folder / "alone.h5"))


@unittest.skipIf(QUICK, "sanitizers learn nothing new from it")
class TimeLimit(Slurm):
    def test_a_job_longer_than_its_limit(self):
        """Begun before all other tests: it is told in time, put back, and goes on, as often as it takes."""
        self.folder, self.result = self.shared, self.shared / "r.h5"
        self.assertGreaterEqual(int(self.assert_undisturbed(limited_job)["Restarts"]), 1)


@unittest.skipIf(QUICK, "sanitizers learn nothing new from it")
class Portal(Slurm):
    def setUp(self):
        super().setUp()
        self.body = json.loads(cluster.run(TRIAL, "emit", self.shared / "w.yaml", "--format", "slurmrestd", *on_the_site(),
                                           "--output", self.result, "--set", "wait.median=0", cwd=self.folder).stdout)

    def test_a_posted_job_runs(self):
        status, answer = cluster.rest("POST", "job/submit", cluster.token(), self.body)
        self.assertEqual((status, answer.get("errors")), (200, []), answer)
        self.assert_undisturbed(str(answer["job_id"]))

    def test_a_wrong_token_is_refused(self):
        token = cluster.token()
        status, answer = cluster.rest("POST", "job/submit", token[:-4] + "AAAA", self.body)
        self.assertGreaterEqual(status, 400, answer)
        self.assertEqual(cluster.run("squeue", "-h", "-o", "%j", "--partition=main").stdout, "")


class Asked(Slurm):
    def ask(self, *command, code=0):
        done = cluster.run(TRIAL, *command, check=False, cwd=self.folder)
        self.assertEqual(done.returncode, code, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_status_and_stop(self):
        """`status` before, while and after; `stop` ends the job for good, and the same script finishes it."""
        job = submit(self.folder, wait_ms=1000)
        self.wait_for_tiles(job)
        said = json.loads(self.ask("status", self.result, "--json"))
        self.assertEqual((said["state"], said["slurm_job"]), ("running", job), said)
        self.ask("stop", self.result)
        ended = cluster.wait(job)
        self.assertEqual((ended["JobState"], ended["ExitCode"], ended["Restarts"]), ("FAILED", "75:0", "0"), cluster.tell(job))
        said = json.loads(self.ask("status", self.result, "--json", code=75))
        self.assertEqual(said["state"], "stopped", said)
        self.assert_undisturbed(cluster.sbatch(self.folder / "r.h5.sbatch", cwd=self.folder))
        self.assertEqual(json.loads(self.ask("status", self.result, "--json"))["state"], "finished")


class Steps(Slurm):
    def test_ranks_of_a_step(self):
        """`srun tarkka run` in an allocation: two ranks, which take what Slurm gives them."""
        done = cluster.run("srun", "--mpi=pmix", "--nodes=1", "--ntasks=2", "--cpus-per-task=1", TRIAL, "run",
                           self.shared / "w.yaml", "--output", self.result, "--tile", TILE)
        self.assertEqual(digests(self.result), digests(self.shared / "undisturbed.h5"), done.stderr)
        machine = json.loads((self.folder / "r.provenance.json").read_text())["machine"]
        self.assertEqual((machine["ranks"], machine["threads_per_rank"]), (2, 1))


if __name__ == "__main__":
    unittest.main()
