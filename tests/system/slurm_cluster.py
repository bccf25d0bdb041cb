"""A real Slurm on this machine's loopback: munged, slurmctld, a slurmd for each pretended node, and slurmrestd.

Everything lies below one temporary folder and listens on 127.0.0.1 at ports chosen at random, so that several clusters
live side by side and beside a Slurm of the machine. Needs root and Debian's Slurm packages; no systemd, no cgroups.
Where the kernel allows it, each node has its own host name, processes, /dev/shm and boot id: killing it is then as
final as a power failure.
"""
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid

from harness import may_not_skip

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmrestd", "sbatch", "srun", "scontrol", "scancel", "squeue", "setpriv",
            "unshare")
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"}

# Open MPI between pretended nodes on loopback, as the site's settings for each task. Without namespaces all nodes share
# one /dev/shm and one host name, and the folder keeps their segments apart.
TASK_ENVIRONMENT = {
    "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,vader,tcp", "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo", "OMPI_MCA_osc": "^ucx,pt2pt", "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "PMIX_MCA_ptl_tcp_if_include": "lo", "OMP_WAIT_POLICY": "passive",
}

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/etc/jwt.key
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/tmp/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
TaskProlog={folder}/etc/task_prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
PriorityType=priority/basic
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=30
KillWait=5
MinJobAge=300
MessageTimeout=10
InactiveLimit=0
JobRequeue=1
SwitchType=switch/none
SlurmdParameters=config_overrides
{nodes}
{partitions}
"""

NODE = ("NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} Boards=1 SocketsPerBoard=1 "
        "CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory} State=UNKNOWN")
PARTITION = ("PartitionName={name} Nodes={nodes} Default={default} MaxTime=INFINITE DefaultTime=10 State=UP "
             "DefMemPerCPU={memory}")

# Process 1 of a node's namespaces. It waits, and so reaps what its jobs leave; each start is another boot.
NODE_INIT = """\
set -e
hostname {name}
mount -t tmpfs -o size=2g tmpfs /dev/shm
mount --bind {folder}/etc/hosts /etc/hosts
mount --bind {folder}/etc/boot_id.{name} /proc/sys/kernel/random/boot_id
{slurmd} &
wait
"""


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")


def require_slurm():
    """Skips the test, loudly, where Slurm cannot be started."""
    missing = [name for name in PROGRAMS if not program(name)]
    if os.geteuid() != 0:
        message = "NO SLURM: its daemons can only be started by root"
    elif missing:
        message = f"NO SLURM: {', '.join(missing)} not found (./install-packages.sh tests installs them)"
    else:
        return
    if may_not_skip("slurm"):
        raise AssertionError(message + " (this test may not be skipped here)")
    print("SKIPPED " + message, flush=True)
    raise unittest.SkipTest(message)


def wait_until(condition, seconds, what, every=0.05):
    """The first true value of condition(); a failure that names what was waited for after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what() if callable(what) else what}")
        time.sleep(every)


def can_separate_nodes():
    return subprocess.run(["unshare", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private",
                           "sh", "-c", "mount -t tmpfs tmpfs /dev/shm && mount --bind /etc/hosts /etc/hosts"],
                          capture_output=True).returncode == 0


def free_ports(count):
    """Ports of loopback that nobody listens on, below those that the kernel gives to outgoing connections."""
    ports = []
    while len(ports) < count:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                ports += [port] if port not in ports else []
            except OSError:
                pass
    return ports


class Cluster:
    """`with Cluster() as cluster:` or up() and down(). `partitions` says how many nodes each has, which are called n1,
    n2, …; the first is the default. `separate`: nodes get namespaces (None: if the kernel allows it)."""

    def __init__(self, partitions=None, cpus=2, memory_mib_per_cpu=2000, separate=None):
        self.partitions, self.nodes = {}, []
        for name, count in (partitions or {"main": 2}).items():
            self.partitions[name] = [f"n{len(self.nodes) + i + 1}" for i in range(count)]
            self.nodes += self.partitions[name]
        self.cpus = cpus
        self.memory_per_cpu = memory_mib_per_cpu
        self.separate = can_separate_nodes() if separate is None else separate
        self.daemons = {}
        self.tokens = {}

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    # --- up and down -------------------------------------------------------------------------------------------------

    def up(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tarkka-slurm-"))
        try:
            self._configure()
            self._start("munged", "munged", "-F", "--force", f"--key-file={self.folder}/etc/munge.key",
                        f"--socket={self.folder}/run/munge.sock", f"--pid-file={self.folder}/run/munged.pid",
                        f"--log-file={self.folder}/log/munged.log", f"--seed-file={self.folder}/run/munge.seed")
            wait_until(lambda: (self.folder / "run/munge.sock").exists(), 20, "munged's socket", 0.01)
            self._start("slurmctld", "slurmctld", "-D", "-c", "-f", self.env["SLURM_CONF"])
            for name in self.nodes:
                self._start_node(name)
            wait_until(lambda: self.idle() == self.nodes, 30, lambda: "the nodes to be idle\n" + self.logs())
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        """Cancels all jobs and stops all daemons. Nothing is left: no process, no mount, no segment, no file."""
        if "slurmctld" in self.daemons:
            try:
                self.run("scancel", "--user=root", check=False, timeout=10)
            except subprocess.TimeoutExpired:  # then its jobs end with their nodes
                pass
        for name in [f"slurmd.{n}" for n in self.nodes] + ["slurmrestd", "slurmctld", "munged"]:
            self._stop(name)
        left = self.processes(str(self.folder))
        for pid in left:
            _kill(pid)
        shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def _configure(self):
        for name in ("etc", "log", "run", "state", *(f"{a}/{n}" for a in ("spool", "tmp") for n in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        for folder in (self.folder, *(p for p in self.folder.rglob("*"))):
            folder.chmod(0o755)
        for name, size in (("munge.key", 1024), ("jwt.key", 32)):
            (self.folder / "etc" / name).write_bytes(os.urandom(size))
            (self.folder / "etc" / name).chmod(0o600)
        host = socket.gethostname().split(".")[0]
        self.controller_port, self.rest_port, *ports = free_ports(2 + len(self.nodes))
        nodes = [NODE.format(name=name, host=host, port=port, cpus=self.cpus, memory=self.cpus * self.memory_per_cpu)
                 for name, port in zip(self.nodes, ports)]
        partitions = [PARTITION.format(name=name, nodes=",".join(nodes), default="NO" if i else "YES",
                                       memory=self.memory_per_cpu)
                      for i, (name, nodes) in enumerate(self.partitions.items())]
        conf = self.folder / "etc/slurm.conf"
        conf.write_text(CONFIGURATION.format(folder=self.folder, host=host, controller_port=self.controller_port,
                                             nodes="\n".join(nodes), partitions="\n".join(partitions)))
        # The other kinds of fence return too early in Slurm 22.05: a few of a hundred MPI jobs on two nodes would crash.
        (self.folder / "etc/mpi.conf").write_text("PMIxCollFence=ring\n")
        (self.folder / "etc/hosts").write_text(pathlib.Path("/etc/hosts").read_text().rstrip("\n") + "\n" +
                                               "".join(f"127.0.0.1 {name}\n" for name in self.nodes))
        self._write_task_prolog()
        self.env = {**os.environ, "SLURM_CONF": str(conf), "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin",
                    **TASK_ENVIRONMENT}
        if "ASAN_OPTIONS" in self.env:  # leaks are looked for in runs without MPI; it takes seconds in each rank
            self.env["ASAN_OPTIONS"] += ":detect_leaks=0"
        for name in ("SLURM_JWT", "SBATCH_PARTITION", "SBATCH_ACCOUNT"):
            self.env.pop(name, None)

    def _write_task_prolog(self):
        lines = [f"echo export {name}={value}" for name, value in TASK_ENVIRONMENT.items()]
        lines.append(f"echo export TARKKA_TEST_NODE={self.folder}/$SLURMD_NODENAME")
        if not self.separate:
            lines.append(f"d={self.folder}/tmp/$SLURMD_NODENAME")
            lines += [f"echo export {name}=$d" for name in ("OMPI_MCA_btl_vader_backing_directory", "TMPDIR",
                                                            "OMPI_MCA_osc_sm_backing_directory",
                                                            "OMPI_MCA_orte_tmpdir_base")]
        prolog = self.folder / "etc/task_prolog"
        prolog.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        prolog.chmod(0o755)

    def _start(self, name, *command, **extra):
        """A daemon in the foreground of its own session, that dies with this process."""
        with open(self.folder / "log" / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program(command[0]), *command[1:]], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True, env={**self.env, **extra})

    def _stop(self, name):
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        node = name.removeprefix("slurmd.")
        if node in self.nodes:
            self._kill_processes_of(node, daemon)
            return
        daemon.terminate()
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _start_node(self, name):
        slurmd = [program("slurmd"), "-D", "-N", name, "-f", self.env["SLURM_CONF"]]
        mark = {"TARKKA_TEST_NODE": f"{self.folder}/{name}"}
        if not self.separate:
            self._start(f"slurmd.{name}", *slurmd, **mark)
            return
        (self.folder / f"etc/boot_id.{name}").write_text(f"{uuid.uuid4()}\n")
        init = NODE_INIT.format(name=name, folder=self.folder, slurmd=" ".join(slurmd))
        self._start(f"slurmd.{name}", "unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child=KILL",
                    "--mount-proc", "--propagation", "private", "sh", "-c", init, **mark)

    def _kill_processes_of(self, node, daemon):
        """The pid namespace takes all its processes along; without one, they are found by their environment."""
        mark = f"TARKKA_TEST_NODE={self.folder}/{node}"
        daemon.kill()
        daemon.wait()

        def gone():
            left = self.processes(mark)
            for pid in left:
                _kill(pid)
            return not left
        wait_until(gone, 10, f"the processes of {node} to end", 0.01)

    def processes(self, text):
        """Those whose command line or environment holds this text (zombies have neither), but not this one."""
        found = []
        for folder in pathlib.Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                try:
                    if any(text.encode() in (folder / f).read_bytes() for f in ("cmdline", "environ")):
                        found.append(int(folder.name))
                except OSError:  # ended meanwhile
                    pass
        return found

    def kill_node(self, name, noticed=True):
        """A power failure: slurmd and all that runs on the node are gone at once. `noticed`: an operator says so to
        Slurm, which would else find out in about half a minute."""
        self._stop(f"slurmd.{name}")
        if noticed:
            self.run("scontrol", "update", f"nodename={name}", "state=down", "reason=power")

    def restart_node(self, name):
        """It boots; sockets and temporary files of the steps that it had are gone, as from folders in memory."""
        for path in [*(self.folder / "spool" / name).glob("*pmix.*"), *(self.folder / "tmp" / name).iterdir()]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._start_node(name)
        wait_until(lambda: name in self.idle(), 30, lambda: f"{name} to come back\n" + self.logs())

    def idle(self):
        done = self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", check=False)
        return sorted(done.stdout.split())

    # --- jobs --------------------------------------------------------------------------------------------------------

    def run(self, *command, check=True, timeout=60, cwd=None, **extra):
        """A command as a user of the cluster; it dies with this process."""
        done = subprocess.run(["setpriv", "--pdeathsig", "KILL", *map(str, command)], capture_output=True, text=True,
                              errors="replace", env={**self.env, **extra}, timeout=timeout, cwd=cwd)
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.logs()}")
        return done

    def sbatch(self, *arguments, **options):
        """The job's number, as text."""
        return self.run("sbatch", "--parsable", *arguments, **options).stdout.strip().split(";")[0]

    def job(self, number):
        """What `scontrol show job` says: JobState, ExitCode, Restarts, BatchHost, Reason …"""
        text = self.run("scontrol", "--oneliner", "show", "job", number).stdout
        return dict(field.split("=", 1) for field in text.splitlines()[0].split() if "=" in field)

    def wait(self, number, states=frozenset(ENDED), seconds=120, hurry=True):
        """Waits until a job is in one of these states, and returns job(number). `hurry`: a requeued job starts when
        nothing is left of its steps, and not after the delay that Slurm has for that."""
        if isinstance(states, str):
            states = {states}

        def arrived():
            job = self.job(number)
            if hurry and job["Reason"] == "BeginTime" and self._may_start_again(number, job):
                self.run("scontrol", "update", f"JobId={number}", "StartTime=now", check=False)
            return job if job["JobState"] in states else None
        return wait_until(arrived, seconds, lambda: f"job {number} to be {sorted(states)}\n{self.tell(number)}", 0.2)

    def _may_start_again(self, number, job):
        """Nothing is left of its steps, and the second is over in which its credential was revoked."""
        requeued = time.mktime(time.strptime(job["SubmitTime"], "%Y-%m-%dT%H:%M:%S"))
        return time.time() > requeued + 2 and not self.processes(f"slurmstepd: [{number}.")

    def tell(self, number):
        """All that helps to understand a job: its state, its log, the daemons' logs."""
        shown = self.run("scontrol", "show", "job", number, check=False)
        job = self.job(number)
        log = pathlib.Path(job.get("StdOut", ""))
        return f"{shown.stdout}{shown.stderr}\n{log}:\n{_tail(log)}\n{self.logs()}"

    def logs(self):
        """The ends of the daemons' logs; of their terminals only where there is no log."""
        paths = sorted((self.folder / "log").iterdir())
        return "\n".join(f"--- {path.name}\n{_tail(path)}" for path in paths
                         if path.suffix != ".out" or path.with_suffix(".log") not in paths)

    # --- the web service ---------------------------------------------------------------------------------------------

    def start_rest(self):
        """slurmrestd, which refuses to be root, as the user `nobody`."""
        self._start("slurmrestd", "setpriv", "--pdeathsig", "KILL", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                    program("slurmrestd"), "-f", self.env["SLURM_CONF"], "-s", "openapi/v0.0.38", "-a", "rest_auth/jwt",
                    f"127.0.0.1:{self.rest_port}", SLURM_JWT="daemon")

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.rest_port)) == 0
        wait_until(answers, 20, lambda: "slurmrestd\n" + self.logs())

    def token(self, user="root", lifespan=600):
        return self.run("scontrol", "token", f"username={user}", f"lifespan={lifespan}").stdout.strip().split("=", 1)[1]

    def rest(self, method, path, token, body=None, user="root"):
        """(HTTP status, JSON or text) of http://127.0.0.1:PORT/slurm/v0.0.38/PATH"""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rest_port}/slurm/v0.0.38/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-SLURM-USER-NAME": user, "X-SLURM-USER-TOKEN": token, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode(errors="replace")


def _kill(pid):
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass


def _tail(path, size=4000):
    try:
        return path.read_text(errors="replace")[-size:]
    except OSError as error:
        return str(error)
