"""Clusters without a cluster: layouts and batch scripts, what sbatch says, status and stop."""
import datetime
import json
import os
import pathlib
import socket
import subprocess
import unittest

import jsonschema
import numpy as np
import tifffile

from harness import MPI_ENVIRONMENT, TARKKA, SystemTest, tarkka

STEPS = [{"gaussian": {"sigma": "2 px"}}, "threshold", "label"]


def sbatch_lines(script):
    """The options of #SBATCH lines, as a dict."""
    words = [w for line in script.splitlines() if line.startswith("#SBATCH ") for w in line.split()[1:]]
    return dict(w.lstrip("-").partition("=")[::2] for w in words)


class ClusterTest(SystemTest):
    def setUp(self):
        super().setUp()
        self.file = self.workflow("null:600x3000x3000:u16", STEPS)
        self.result = self.folder / "r.h5"

    def script(self, *options, result=None, cwd=None):
        script = self.ok("submit", self.file, "--output", result or self.result, *options, "--print", cwd=cwd).stdout
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        return script

    def programs(self, **scripts):
        """Stand-ins for Slurm's programs, first on the path; each notes its arguments in the file calls."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        for name, body in scripts.items():
            (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {self.folder}/calls\n{body}\n')
            (folder / name).chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()


class Layout(ClusterTest):
    def test_whole_nodes_are_filled(self):
        for site, partition, cores in (("roihu", "medium", 384), ("lumi", "standard", 128)):
            for memory in ("512MiB", "4GiB", "20GiB", "120GiB"):
                lines = sbatch_lines(self.script("--site", site, "--account", "p", "--partition", partition,
                                                 "--memory", memory))
                ranks, threads = int(lines["ntasks-per-node"]), int(lines["cpus-per-task"])
                self.assertEqual(ranks * threads, cores, (site, memory))
                self.assertNotIn("mem-per-cpu", lines)

    def test_more_memory_a_rank_gives_fewer_ranks_with_more_threads(self):
        self.file = self.workflow("null:600x3000x3000:u16", STEPS[:2])  # labels of so large a tile could not be numbered
        threads = []
        for tile in ("64x256x256", "600x1024x1024", "600x3000x3000"):
            lines = sbatch_lines(self.script("--site", "roihu", "--account", "p", "--partition", "medium", "--memory",
                                             "700GiB", "--tile", tile))
            threads.append(int(lines["cpus-per-task"]))
        self.assertEqual(threads, sorted(threads))
        self.assertLess(threads[0], threads[-1])
        self.assertEqual(threads[-1], 384)  # one tile, one rank

    def test_shared_nodes_ask_for_cores_and_their_memory(self):
        lines = sbatch_lines(self.script("--site", "lumi", "--account", "p", "--partition", "small"))
        self.assertEqual(lines["nodes"], "1")
        self.assertLessEqual(int(lines["ntasks"]) * int(lines["cpus-per-task"]), 128)
        self.assertGreaterEqual(int(lines["mem-per-cpu"][:-1]) * int(lines["cpus-per-task"]), 1000)

    def test_nodes_follow_from_the_time(self):
        self.file = self.workflow("null:500x10000x10000:u16", [
            {"deconvolve": {"iterations": 2000, "keep": False, "psf": {"model": "gaussian", "sigma": "2 px"}}},
            {"threshold": {"keep": True}}])
        nodes = []
        for time in ("48h", "5h", "2h"):
            lines = sbatch_lines(self.script("--site", "lumi", "--account", "p", "--partition", "standard", "--time", time))
            nodes.append(int(lines["nodes"]))
        self.assertEqual(nodes, sorted(nodes))
        self.assertLess(nodes[0], nodes[-1])

    def test_nodes_that_bring_little_are_not_taken(self):
        self.file = self.workflow("null:4000x40000x40000:u16", STEPS)  # the disk bounds it
        lines = sbatch_lines(self.script("--site", "lumi", "--account", "p", "--partition", "standard", "--time", "2h"))
        self.assertLess(int(lines["nodes"]), 20)

    def test_a_job_longer_than_its_time_limit_says_so(self):
        self.file = self.workflow("null:4000x40000x40000:u16", STEPS)
        script = self.script("--site", "generic", "--cores", "1", "--nodes", "1", "--time", "10min")
        self.assertRegex(script, r"through the queue about [0-9]+ times")
        self.assertEqual(sbatch_lines(script)["time"], "00:10:00")

    def test_what_does_not_fit_is_refused(self):
        def refused(*words, arguments):
            self.fails(2, *words, arguments=["submit", self.file, "--output", self.result, "--print", *arguments])
        refused("closed", "roihu", arguments=["--site", "puhti"])
        refused("closed", "roihu", arguments=["--site", "mahti"])
        refused("did you mean 'lumi'", arguments=["--site", "lumii"])
        refused("--account", arguments=["--site", "roihu"])
        refused("1 to 6 nodes", arguments=["--site", "roihu", "--account", "p", "--partition", "medium", "--nodes", "7"])
        refused("does not have it", arguments=["--site", "roihu", "--account", "p", "--partition", "gpumedium"])
        refused("36 h at most", arguments=["--site", "roihu", "--account", "p", "--partition", "medium", "--time", "37h"])
        refused("MiB", arguments=["--site", "generic", "--node-memory", "200MiB"])
        refused("too few", arguments=["--site", "lumi", "--account", "p", "--partition", "standard", "--nodes", "400"])
        refused("letters", arguments=["--site", "lumi", "--account", "a b"])
        refused("generic", arguments=["--site", "lumi", "--account", "p", "--cores", "3"])

    def test_a_profile_of_ones_own(self):
        profile = self.write("mine.yaml", """
tarkka_site: 1
name: mine
description: a cluster
source: its administrator
mpi: pmi2
modules: [gcc/1]
environment: {OMP_PROC_BIND: close}
options: [--exclusive]
local_scratch: $LOCAL
partitions:
  - {name: q, nodes: [1, 4], whole_nodes: true, cores: 24, memory: 60 GiB, time: 2 h, threads: 6}
""")
        script = self.script("--site", profile)
        lines = sbatch_lines(script)
        self.assertEqual((lines["partition"], lines["ntasks-per-node"], lines["cpus-per-task"]), ("q", "4", "6"))
        self.assertIn("exclusive", lines)
        for text in ("module load gcc/1\n", "srun --mpi=pmi2 ", 'export OMP_PROC_BIND="close"\n',
                     'export TMPDIR="$LOCAL"\n'):
            self.assertIn(text, script)

    def test_a_wrong_profile_is_refused_at_its_place(self):
        good = ("tarkka_site: 1\nname: a\ndescription: b\nsource: c\npartitions:\n"
                "  - {name: q, nodes: 1, cores: 24, memory: 60 GiB, time: 2 h, threads: 6}\n")
        for old, new, place, word in (
                ("cores: 24", "coers: 24", "6:25", "did you mean 'cores'"), ("60 GiB", "60", "6:44", "unit"),
                ("nodes: 1", "nodes: [3, 2]", "6:22", "least"), ("threads: 6", "threads: 60", "6:5", "24 cores"),
                ("nodes: 1, ", "", "6:5", "needs 'nodes'"), ("source: c\n", "", "1:1", "source"),
                ("source: c\n", "source: c\nmpi: 'a b'\n", "5:6", "mpi"),
                ("source: c\n", "source: c\nenvironment: {A: \"$(x)\"}\n", "5:18", "commands"),
                ("source: c\n", "source: c\nmodules: [\"a b\"]\n", "5:11", "word")):
            profile = self.write("bad.yaml", good.replace(old, new))
            self.fails(2, f"bad.yaml:{place}: ", word, arguments=["submit", self.file, "--output", self.result, "--site", profile])


class Script(ClusterTest):
    def test_paths_come_through_the_shell_as_they_are(self):
        odd = self.folder / """a 'b' "c" $d `e` \\ ; & é"""
        odd.mkdir()
        script = self.script("--site", "generic", "--set", "gaussian.sigma=[1 px, 2 px, 3 px]", result="r 'x'.h5", cwd=odd)
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "srun").write_text("#!/bin/sh\npwd\nfor a; do echo \"<$a>\"; [ \"$last\" != --output ] || : > \"$a\"; last=$a; done\n")
        (bin_folder / "srun").chmod(0o755)
        done = subprocess.run(["bash"], input=script, text=True, capture_output=True,
                              env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        words = done.stdout.splitlines()
        self.assertEqual(words[0], str(odd))
        for word in (str(odd / "r 'x'.h5"), str(self.file), "gaussian.sigma=[1 px, 2 px, 3 px]", "--resume"):
            self.assertIn(f"<{word}>", words)

    def test_options_that_are_repeated(self):
        self.assertEqual(self.script("--site", "generic", *["--halo", "1x1x1"] * 40).count("--halo 1x1x1"), 40)

    def test_a_size_with_a_blank_is_one_word(self):
        self.assertIn(" --memory '2 GiB' ", self.script("--site", "generic", "--memory", "2 GiB"))

    def test_line_breaks_are_refused(self):
        self.fails(2, "line breaks", arguments=["submit", self.file, "--output", "a\nb.h5", "--site", "generic", "--print"])
        self.fails(2, "line breaks", arguments=["submit", self.file, "--output", "r.h5", "--site", "generic", "--print",
                                                "--set", "gaussian.sigma=1\npx"])

    def test_the_job_stops_in_time_and_starts_again(self):
        lines = sbatch_lines(self.script("--site", "lumi", "--account", "p", "--time", "36h", "--partition", "standard"))
        self.assertEqual(lines["signal"], "USR1@180")
        self.assertEqual((lines["time"], lines["open-mode"]), ("36:00:00", "append"))
        self.assertIn("requeue", lines)

    def test_options_of_run_are_checked_and_handed_on(self):
        self.assertRegex(self.script("--site", "generic", "--tile", "64x512x512"), r"(?m)^ +--tile 64x512x512$")
        script = self.ok("submit", self.file, "--output", self.result, "--site", "generic", "--print", "--", "--json").stdout
        self.assertRegex(script, r"(?m)^ +--json$")
        for option in ("--jsn", "--overwrite", "--threads=2"):
            self.fails(2, arguments=["submit", self.file, "--output", self.result, "--site", "generic", "--print", "--", option])

    def run_script(self, code, work=None, restart=0, extra=None):
        """Runs the batch script with an srun that ends with this code; the lines that Slurm's programs were called with."""
        script = self.script("--site", "generic")
        environment = {**os.environ, "SLURM_JOB_ID": "42", "SLURM_RESTART_COUNT": str(restart),
                       **self.programs(srun=f"{extra or ''}\nexit {code}", scontrol="", seff="")}
        if work is not None:
            pathlib.Path(f"{self.result}.work").mkdir(exist_ok=True)
            pathlib.Path(f"{self.result}.work/status.json").write_text(json.dumps(work, indent=1))
        done = subprocess.run(["bash"], input=script, text=True, env=environment)
        return done.returncode, [call.split()[0] for call in self.calls()], self.calls()

    def test_exit_code_75_goes_back_into_the_queue(self):
        code, programs, calls = self.run_script(75, {"state": "stopped", "fraction": 0.25})
        self.assertEqual((code, programs[-1]), (75, "scontrol"))
        self.assertEqual(calls[-1], "scontrol requeue 42")

    def test_other_exit_codes_are_handed_on(self):
        for code in (0, 1, 2, 3, 4):
            made = f": > '{self.result}'" if code in (0, 4) else ""
            self.assertEqual(self.run_script(code, {"state": "failed", "fraction": 0.25}, extra=made)[0], code)
            self.result.unlink(missing_ok=True)
        self.assertNotIn("scontrol", self.run_script(1)[1])
        self.assertIn("seff 42", self.calls())

    def test_success_without_a_result_is_none(self):
        """srun says 0 when it could not start a single rank."""
        self.assertEqual(self.run_script(0)[0], 1)

    def test_ranks_that_srun_killed_while_leaving_have_stopped(self):
        self.assertEqual(self.run_script(137, {"state": "stopped", "fraction": 0.25})[1][-1], "scontrol")

    def test_ranks_that_were_killed_have_not(self):
        self.assertEqual(self.run_script(137, {"state": "running", "fraction": 0.25})[0], 137)
        self.assertNotIn("scontrol", self.run_script(137)[1])

    def test_a_run_that_was_asked_to_stop_does_not_start_again(self):
        pathlib.Path(f"{self.result}.work").mkdir()
        pathlib.Path(f"{self.result}.work/stop").touch()
        code, programs, _ = self.run_script(75, {"state": "stopped", "fraction": 0.25})
        self.assertEqual(code, 75)
        self.assertNotIn("scontrol", programs)

    def test_twenty_starts_are_enough(self):
        self.assertIn("scontrol", self.run_script(75, {"state": "stopped", "fraction": 0.5}, restart=19)[1])
        (self.folder / "calls").unlink()
        self.assertNotIn("scontrol", self.run_script(75, {"state": "stopped", "fraction": 0.6}, restart=20)[1])

    def test_three_starts_without_progress_are_enough(self):
        for start, fraction in enumerate((0.1, 0.2, 0.2)):
            self.run_script(75, {"state": "stopped", "fraction": fraction}, restart=start)
        self.assertEqual(sum("scontrol" in call for call in self.calls()), 3)
        self.assertEqual(self.run_script(75, {"state": "stopped", "fraction": 0.2}, restart=3)[0], 75)
        self.assertEqual(sum("scontrol" in call for call in self.calls()), 3)
        self.assertFalse(pathlib.Path(f"{self.result}.starts").exists())

    def test_a_cancelled_job_does_not_start_again(self):
        code, programs, _ = self.run_script(75, {"state": "stopped", "fraction": 0.2}, extra="kill -TERM $PPID")
        self.assertEqual(code, 75)
        self.assertNotIn("scontrol", programs)


class ManyImages(ClusterTest):
    SRUN = 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"'

    def setUp(self):
        super().setUp()
        self.raw = self.folder / "raw 'images'"
        self.raw.mkdir()
        for i, name in enumerate(("b.ome.tif", "a.tif", "c d.tif")):
            tifffile.imwrite(self.raw / name, np.random.default_rng(i).integers(0, 999, (9, 40 + 8 * i, 50), np.uint16),
                             metadata={"axes": "ZYX"})
        self.file = self.write("many.yaml", json.dumps({
            "tarkka": 1, "inputs": {"images": "raw 'images'/*.tif"}, "output": "out-{stem}.h5",
            "steps": [{"gaussian": {"sigma": "1 px"}}, "threshold", "label"]}))
        self.results = [self.folder / f"out-{name}.h5" for name in ("a", "b", "c d")]

    def submitted(self, *options):
        """Submits to a stand-in; the script."""
        environment = self.programs(sbatch="echo 7", srun=self.SRUN, scontrol="", seff="")
        done = tarkka("submit", self.file, "--site", "generic", *options, environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / "many.sbatch", {**os.environ, **MPI_ENVIRONMENT, **environment, "SLURM_JOB_ID": "7"}

    def test_one_of_them_is_run_by_number_or_name(self):
        self.ok("check", self.file)
        self.ok("run", self.file, "--item", "2")
        self.assertTrue(self.results[2].exists())
        self.ok("run", self.file, "--input", self.raw / "b.ome.tif")
        self.assertTrue(self.results[1].exists())
        self.fails(2, "--item", arguments=["run", self.file])
        self.fails(2, "3 images", arguments=["run", self.file, "--item", "3"])

    def test_wrong_workflows(self):
        def refused(code, word, **changes):
            file = self.write("wrong.yaml", json.dumps({**json.loads(self.file.read_text()), **changes}))
            self.fails(code, word, arguments=["submit", file, "--site", "generic", "--print"])
        refused(2, "{stem}", output="same.h5")
        refused(3, "no image matches", inputs={"images": "none/*.tif"})
        refused(2, "did you mean 'images'", inputs={"images": "x", "image": "y"})
        refused(2, "expected {images", inputs="raw")
        refused(2, "there is an input already", input="a.tif")
        (self.raw / "a.ome.tif").write_bytes((self.raw / "a.tif").read_bytes())
        refused(2, "two images")

    def test_short_images_are_packed_into_one_job(self):
        script, environment = self.submitted()
        self.assertNotIn("--array", script.read_text())
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for result in self.results:
            self.assertTrue(result.exists())
        again = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        self.assertEqual(again.returncode, 0, again.stderr)  # all are finished: nothing to do
        self.assertNotIn("scontrol", " ".join(self.calls()))

    def test_a_packed_job_goes_on_where_it_stopped(self):
        script, environment = self.submitted("--at-once", "1")
        stub = self.folder / "bin/srun"  # the second image does not get ready
        stub.write_text(f'#!/bin/sh\ncase "$*" in *out-b.h5*) exit 75;; esac\n{self.SRUN}\n')
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertEqual(self.calls()[-1], "scontrol requeue 7")
        self.assertFalse(self.results[1].exists())
        self.programs(srun=self.SRUN)
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(all(result.exists() for result in self.results))
        self.assertFalse((self.folder / "many.list.codes").exists())

    def test_an_image_that_fails_does_not_keep_the_others(self):
        (self.raw / "a.tif").write_bytes(b"II*\0 not an image")
        script, environment = self.submitted()
        done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertEqual([result.exists() for result in self.results], [False, True, True])

    def test_an_array_gives_each_image_a_job(self):
        script, environment = self.submitted("--array", "--at-once", "2")
        self.assertEqual(sbatch_lines(script.read_text())["array"], "0-2%2")
        for i, result in enumerate(self.results):
            done = subprocess.run(["bash", script], env={**environment, "SLURM_ARRAY_TASK_ID": str(i)},
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(result.exists())


class Submit(ClusterTest):
    def submit(self, body, **options):
        return tarkka("submit", self.file, "--output", self.result, "--site", "generic",
                      environment=self.programs(sbatch=body, **options))

    def test_the_job_is_said_and_remembered(self):
        done = self.submit("echo 1234", squeue="echo 'PENDING|Priority'")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1234", done.stdout)
        script = pathlib.Path(f"{self.result}.sbatch").read_text()
        self.assertTrue(script.startswith("#!/bin/bash\n"))
        state = json.loads(tarkka("status", self.result, "--json", environment=self.programs()).stdout)
        self.assertEqual((state["state"], state["slurm_job"], state["slurm_reason"]), ("queued", "1234", "Priority"))

    def test_what_a_site_says_besides(self):
        """Sites let sbatch and squeue print notes of their own, on standard error."""
        done = self.submit("echo 'sbatch: INFO: 3 jobs of yours wait' >&2; echo '1234;big'",
                           squeue="echo 'squeue: slow today' >&2; echo 'PENDING|Priority'")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "(?m)^job +1234$")
        state = json.loads(tarkka("status", self.result, "--json", environment=self.programs()).stdout)
        self.assertEqual((state["slurm_job"], state["slurm_state"], state["slurm_reason"]), ("1234", "PENDING", "Priority"))
        self.assertEqual(self.submit("echo 'sbatch: nothing of use'").returncode, 1)

    def test_a_waiting_job_is_cancelled(self):
        self.submit("echo 1234", squeue="echo 'PENDING|Priority'", scancel="")
        done = tarkka("stop", self.result, environment=self.programs())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("scancel 1234", self.calls())

    def test_a_job_that_just_begins_is_not_cancelled(self):
        self.submit("echo 1234", squeue="echo 'RUNNING|None'", scancel="")
        state = json.loads(tarkka("status", self.result, "--json", environment=self.programs()).stdout)
        self.assertEqual(state["state"], "begun")
        done = tarkka("stop", self.result, "--wait", "1s", environment=self.programs())
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("scancel", " ".join(self.calls()))

    def test_what_sbatch_says_is_translated(self):
        for said, word in (("sbatch: error: AssocMaxSubmitJobLimit", "--account"),
                           ("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy", "--account"),
                           ("sbatch: error: invalid partition specified: x", "sinfo"),
                           ("sbatch: error: something else", "something else")):
            done = self.submit(f"echo '{said}' >&2; exit 1")
            self.assertEqual(done.returncode, 1)
            self.assertIn(word, done.stderr)

    def test_without_slurm_the_script_is_still_there(self):
        done = tarkka("submit", self.file, "--output", self.result, "--site", "generic", environment={"PATH": "/nowhere"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("no Slurm", done.stderr)
        self.assertTrue(pathlib.Path(f"{self.result}.sbatch").exists())

    def test_a_result_that_exists_is_not_submitted_again(self):
        self.result.touch()
        self.assertIn("exists", self.submit("echo 1").stderr)


TES = {  # the parts of GA4GH's Task Execution Service 1.1 that a task made here has
    "type": "object", "required": ["executors"], "additionalProperties": False,
    "properties": {
        "name": {"type": "string"}, "description": {"type": "string"},
        "inputs": {"type": "array", "items": {"$ref": "#/$defs/file"}},
        "outputs": {"type": "array", "items": {"$ref": "#/$defs/file"}},
        "resources": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "cpu_cores": {"type": "integer", "minimum": 1}, "ram_gb": {"type": "number", "exclusiveMinimum": 0},
                "disk_gb": {"type": "number", "exclusiveMinimum": 0}, "preemptible": {"type": "boolean"},
                "backend_parameters": {"type": "object", "additionalProperties": {"type": "string"}},
                "backend_parameters_strict": {"type": "boolean"}}},
        "executors": {
            "type": "array", "minItems": 1,
            "items": {
                "type": "object", "required": ["image", "command"], "additionalProperties": False,
                "properties": {"image": {"type": "string"}, "workdir": {"type": "string", "pattern": "^/"},
                               "command": {"type": "array", "items": {"type": "string"}, "minItems": 1}}}}},
    "$defs": {"file": {
        "type": "object", "required": ["path", "type", "url"], "additionalProperties": False,
        "properties": {"name": {"type": "string"}, "url": {"type": "string"}, "path": {"type": "string", "pattern": "^/"},
                       "type": {"enum": ["FILE", "DIRECTORY"]}}}}}

SLURMRESTD = {  # v0.0.38_job_submission of slurmrestd 22.05, as far as it is used
    "type": "object", "required": ["script", "job"], "additionalProperties": False,
    "properties": {
        "script": {"type": "string", "pattern": "^#!/bin/bash"},
        "job": {
            "type": "object", "required": ["environment"], "additionalProperties": False,
            "properties": {
                **{name: {"type": "integer"} for name in ("tasks", "tasks_per_node", "cpus_per_task", "memory_per_cpu",
                                                          "memory_per_node", "time_limit", "threads_per_core")},
                **{name: {"type": "string"} for name in ("account", "name", "partition", "current_working_directory",
                                                         "standard_output", "exclusive")},
                "nodes": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
                "environment": {"type": "object", "minProperties": 1}, "requeue": {"type": "boolean"},
                "signal": {"pattern": "^(B:|)[A-Z0-9]+(@[0-9]+|)$"}, "open_mode": {"enum": ["append", "truncate"]}}}}}


class Emit(ClusterTest):
    def emit(self, form, *options):
        return self.ok("emit", self.file, "--output", self.result, "--format", form, *options).stdout

    def test_sbatch_is_what_submit_prints(self):
        self.assertEqual(self.emit("sbatch", "--site", "generic"), self.script("--site", "generic"))

    def test_slurmrestd_says_what_the_script_says(self):
        for site in ("generic", "roihu", "lumi"):
            for partition in {"generic": ["q"], "roihu": ["small", "medium", "hugemem"], "lumi": ["small", "standard"]}[site]:
                options = ("--site", site, "--account", "p", "--partition", partition)
                body = json.loads(self.emit("slurmrestd", *options))
                jsonschema.validate(body, SLURMRESTD)
                lines, job = sbatch_lines(body["script"]), body["job"]
                self.assertEqual(body["script"], self.script(*options))
                self.assertEqual((job["account"], job["partition"]), ("p", partition))
                self.assertEqual(job["cpus_per_task"], int(lines["cpus-per-task"]))
                self.assertEqual(job["signal"], lines["signal"])
                self.assertEqual(f'{job.get("memory_per_cpu")}M', lines.get("mem-per-cpu", "NoneM"))
                self.assertNotIn("token", json.dumps(body).lower())

    def test_slurmrestd_refuses_what_it_cannot_say(self):
        profile = self.write("odd.yaml", "tarkka_site: 1\nname: a\ndescription: b\nsource: c\noptions: [--gres=nvme]\n"
                             "partitions:\n  - {name: q, nodes: 1, cores: 24, memory: 60 GiB, time: 2 h, threads: 6}\n")
        self.fails(2, "--gres=nvme", arguments=["emit", self.file, "--output", self.result, "--format", "slurmrestd",
                                                "--site", profile])

    def test_tes(self):
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "24x60x70", "--objects", "7")
        self.file = self.workflow(str(self.folder / "p.ome.tif"), STEPS)
        task = json.loads(self.emit("tes", "--site", "generic", "--image", "tarkka:1", "--url-prefix", "s3://bucket"))
        jsonschema.validate(task, TES)
        self.assertEqual({f["url"] for f in task["inputs"]},
                         {f"s3://bucket{self.file}", f"s3://bucket{self.folder}/p.ome.tif"})
        self.assertEqual([f["path"] for f in task["outputs"]], [str(self.result), str(self.folder / "r.provenance.json")])
        command = task["executors"][0]["command"]
        self.assertEqual(command[:3], ["tarkka", "run", str(self.file)])
        done = tarkka(*command[1:])  # what it says runs
        self.assertEqual(done.returncode, 0, done.stderr)
        for file in task["outputs"]:
            self.assertTrue(pathlib.Path(file["path"]).exists())

    def test_usage(self):
        for arguments, word in ((["--format", "pbs"], "slurmrestd"), ([], "sbatch"),
                                (["--format", "tes"], "--image")):
            self.fails(2, word, arguments=["emit", self.file, "--output", self.result, "--site", "generic", *arguments])


class Form(ClusterTest):
    def parameters(self, schema):
        for name, value in schema.get("properties", {}).items():
            if value.get("type") == "object":
                yield from self.parameters(value)
            elif name not in ("name", "keep"):
                yield value

    def test_a_form_can_be_made_of_every_step(self):
        schema = json.loads(self.ok("steps", "--json").stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate({"tarkka": 1, "inputs": {"images": "raw/*.tif"}, "output": "{stem}.h5", "steps": STEPS}, schema)
        for line in self.ok("steps").stdout.splitlines():
            if "->" not in line:
                continue
            step = json.loads(self.ok("steps", line.split()[0], "--json").stdout)
            self.assertTrue(step["title"] and step["description"])
            for parameter in self.parameters(step):
                self.assertTrue(parameter["title"] and parameter["description"], parameter)
                kinds = set(parameter) & {"type", "enum", "oneOf"}
                self.assertEqual(len(kinds), 1, parameter)
                if "default" in parameter:  # one that the schema itself accepts
                    jsonschema.validate(parameter["default"], parameter)
                if "oneOf" in parameter or "%" in parameter.get("pattern", ""):
                    self.assertTrue(parameter.get("units") or parameter.get("names") in ("image", "mask", "labels"), parameter)


class StatusAndStop(ClusterTest):
    def work(self, **changes):
        """A folder RESULT.work with this status, of a run that this process stands for."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"tarkka_status": 1, "state": "running", "output": str(self.result), "stage": 1, "stages": 3,
                  "tiles_done": 10, "tiles": 40, "fraction": 0.125, "seconds_left": 600, "host": socket.gethostname(),
                  "pid": os.getpid(), "slurm_job": None, "updated": now, "message": "", **changes}
        folder = pathlib.Path(f"{self.result}.work")
        folder.mkdir(exist_ok=True)
        (folder / "status.json").write_text(json.dumps(status))
        return folder

    def status(self):
        done = tarkka("status", self.result, "--json")
        return done.returncode, json.loads(done.stdout)

    def test_nothing_there(self):
        code, state = self.status()
        self.assertEqual((code, state["state"]), (1, "absent"))
        self.assertIn("no result", tarkka("status", self.result).stdout)
        self.fails(1, "no run", arguments=["stop", self.result])

    def test_finished(self):
        small = self.workflow("null:16x32x32:u8", STEPS, "small.yaml")
        self.ok("run", small, "--output", self.result)
        code, state = self.status()
        self.assertEqual((code, state["state"], state["exit_code"]), (0, "finished", 0))
        self.assertRegex(state["end"], r"^20\d\d-")
        self.ok("stop", self.result)

    def test_a_run_whose_process_is_gone_was_killed(self):
        self.work()
        code, state = self.status()
        self.assertEqual((code, state["state"], state["alive"]), (75, "killed", False))
        self.ok("stop", self.result)

    def test_running_stopping_stopped_and_resumed(self):
        slow = self.workflow("null:200x500x500:u8", [{"gaussian": {"sigma": "6 px"}}, "threshold", "label"], "slow.yaml")
        options = ["--output", str(self.result), "--tile", "16x64x64"]
        with subprocess.Popen([TARKKA, "run", str(slow), *options], stderr=subprocess.DEVNULL) as run:
            while self.status()[1].get("tiles_done", 0) < 1:
                self.assertIsNone(run.poll())
            code, state = self.status()
            self.assertEqual((code, state["state"], state["alive"]), (0, "running", True))
            self.ok("stop", self.result)
            self.assertEqual(run.wait(60), 75)
        self.assertEqual(self.status()[1]["state"], "stopped")
        self.assertTrue(self.status()[1]["stop_asked"])
        self.ok("run", slow, *options, "--resume", "--set", "gaussian.sigma=6 px")
        self.assertEqual(self.status()[1]["state"], "finished")

    def test_stopping_now(self):
        slow = self.workflow("null:200x500x500:u8", [{"gaussian": {"sigma": "40 px"}}, "threshold", "label"], "slow.yaml")
        with subprocess.Popen([TARKKA, "run", str(slow), "--output", str(self.result)], stderr=subprocess.DEVNULL) as run:
            while self.status()[1]["state"] != "running":
                self.assertIsNone(run.poll())
            self.ok("stop", self.result, "--now")
            self.assertEqual(run.wait(60), 75)

    def test_a_stopped_run_is_to_be_resumed(self):
        self.work(state="stopped")
        self.assertEqual(self.status()[0], 75)
        self.assertIn("--resume", tarkka("status", self.result).stdout)

    def test_a_failed_run_says_why(self):
        self.work(state="failed", message="r.h5: disk full")
        self.assertEqual(self.status()[0], 1)
        self.assertIn("disk full", tarkka("status", self.result).stdout)

    def test_several_results_one_line_each(self):
        self.work(state="stopped")
        done = tarkka("status", self.result, self.folder / "other.h5")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def test_hostile_status_files(self):
        folder = self.work()
        for text in ("", "{", "[]", '{"tarkka_status": 2}', '{"tarkka_status": 1}', "\0\0",
                     json.dumps({"tarkka_status": 1, "state": 7, "fraction": "x", "host": [], "pid": "1", "updated": 3,
                                 "slurm_job": "1; rm -rf", "stage": {}, "seconds_left": "a", "message": 5})):
            (folder / "status.json").write_text(text)
            done = tarkka("status", self.result)
            self.assertIn(done.returncode, (0, 75), done.stderr)
            self.assertNotIn("rm -rf", done.stdout)
            self.assertEqual(len(done.stdout.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
