"""The memory plan against what runs take, and runs under a limit that would kill them."""
import contextlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import unittest

import numpy as np
import tifffile
import yaml

from harness import MPI_ENVIRONMENT, QUICK, ROOT, TARKKA, SystemTest

MIB = 1 << 20
MAPS = 768 * MIB  # address space that is mapped and not used: libraries, stacks and arenas of threads


def deconvolve(sigma, **more):
    return {"deconvolve": {"iterations": 1, "psf": {"model": "gaussian", "sigma": sigma}, "read_noise": 2, **more}}


# Runs a program from a small process, whose size the kernel counts as the program's, and prints its peak in KiB.
PEAK = """import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))"""
SMALL_PSF, LARGE_PSF = ["2 px", "1.3 px", "1.3 px"], ["3.5 px", "4.5 px", "4.5 px"]
SEGMENT = [{"threshold": {"method": "otsu"}}, {"label": {}}, {"measure": {"intensity": "input"}}]
TABLE = []


class Memory(SystemTest):
    def image(self, *size):
        """Blobs in noise, u16."""
        rng = np.random.default_rng(sum(size))
        z, y, x = np.ogrid[tuple(slice(n) for n in size)]
        blobs = 200 * (np.sin(z / 7) * np.sin(y / 9) * np.sin(x / 11) > 0.5)
        path = self.folder / ("x".join(map(str, size)) + ".tif")
        tifffile.imwrite(path, rng.poisson(20 + blobs).astype("u2"), compression="zlib", metadata={"axes": "ZYX"},
                         imagej=False)
        return path

    def noise(self, *size):
        path = self.folder / "noise.tif"
        tifffile.imwrite(path, np.random.default_rng(1).integers(0, 1000, size, "u2"), metadata={"axes": "ZYX"})
        return path

    def resources(self, name):
        return json.loads((self.folder / f"{name}.provenance.json").read_text())["resources"]

    def measured(self, image, steps, *options, ranks=None):
        """A run's planned and measured bytes, over all its ranks the same plan, on rank 0 the measurement."""
        self.ok("run", self.workflow(str(image), steps), "--output", self.folder / "r.h5", "--overwrite", *options,
                ranks=ranks, threads=2, timeout=900)
        found = self.resources("r")
        return found["planned_bytes_per_rank"], found["peak_bytes_rank0"]

    def holds(self, title, image, steps, *options, least, ranks=None):
        planned, peak = self.measured(image, steps, *options, ranks=ranks)
        TABLE.append(f"{title:44} planned {planned / MIB:5.0f} MiB, measured {peak / MIB:5.0f}: {peak / planned:.0%}")
        print(TABLE[-1], flush=True)
        self.assertLessEqual(peak, planned, f"{title}: more than planned")
        self.assertGreaterEqual(peak, least * planned, f"{title}: planned far more than needed")


@unittest.skipIf(QUICK, "sanitizers and poison take memory of their own")
class PlannedAndMeasured(Memory):
    """Within 10 % where what is taken follows from sizes. Masks and labels of blobs take less than masks of noise, which
    the plan must allow for: their chunks compress well, and few runs are there to be joined."""

    def quickstart(self):
        steps = yaml.safe_load((ROOT / "workflows/quickstart.yaml").read_text())["steps"]
        for step in steps:
            if "deconvolve" in step:
                step["deconvolve"].update(iterations=1, psf={"model": "gaussian", "sigma": SMALL_PSF})
            if "gaussian" in step:
                step["gaussian"]["sigma"] = "1 px"
        return steps

    def test_quickstart(self):
        for ranks in (None, 2):
            self.holds(f"quickstart 64x512x512, ranks {ranks or 1}", self.image(64, 512, 512), self.quickstart(),
                       least=0.85, ranks=ranks)
        self.holds("quickstart 128x256x256", self.image(128, 256, 256), self.quickstart(), least=0.8)

    def test_deconvolution(self):
        image = self.image(64, 512, 512)
        self.holds("deconvolve 64x512x512", image, [deconvolve(SMALL_PSF)], least=0.9)
        self.holds("deconvolve 64x512x512, large PSF", image, [deconvolve(LARGE_PSF)], least=0.9)
        self.holds("deconvolve in 64x128x128", image, [deconvolve(SMALL_PSF)], "--tile", "64x128x128", least=0.85)
        self.holds("deconvolve whole", image, [deconvolve(SMALL_PSF)], "--tile", "whole", least=0.9)

    def test_segmentation(self):
        image = self.image(256, 256, 256)
        self.holds("threshold, label, measure 256^3", image, SEGMENT, least=0.6)
        self.holds("threshold, label, measure 256^3 in 128^3", image, SEGMENT, "--tile", "128x128x128", least=0.6)
        self.holds("threshold, label, measure 256^3 whole", image, SEGMENT, "--tile", "whole", least=0.6)

    def test_masks_of_noise(self):
        steps = [{"threshold": {"method": "fixed", "value": 500, "keep": True}}, {"label": {"connectivity": 6}}]
        self.holds("a mask of noise 96x256x256", self.noise(96, 256, 256), steps, "--tile", "96x128x128", least=0.5)


class Group:
    """A control group with a memory limit, of version 1 or 2; None where this process may not make one."""

    def __init__(self, folder, limit_file):
        self.folder, self.limit_file = folder, limit_file

    @staticmethod
    def places():
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield pathlib.Path("/sys/fs/cgroup/memory" + path), "memory.limit_in_bytes"
                yield pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
            if not controllers:
                yield pathlib.Path("/sys/fs/cgroup" + path), "memory.max"

    @classmethod
    def make(cls, limit):
        for parent, limit_file in cls.places():
            folder = parent / f"tarkka-test-{os.getpid()}"
            try:
                folder.mkdir()
            except OSError:
                continue
            with contextlib.suppress(OSError):
                (folder / limit_file).write_text(str(limit))
                if int((folder / limit_file).read_text()) <= limit:
                    return cls(folder, limit_file)
            folder.rmdir()
        return None

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def failures(self):
        for name in ("memory.failcnt", "memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError):
                yield name, (self.folder / name).read_text().split()

    def remove(self):
        self.folder.rmdir()


@unittest.skipIf(QUICK, "sanitizers and poison take memory of their own")
class UnderALimit(Memory):
    def run_limited(self, image, limit, enter, *options):
        output = self.folder / "r.h5"
        file = self.workflow(str(image), [deconvolve(SMALL_PSF), *SEGMENT[:2]])
        return subprocess.run([TARKKA, "run", file, "--output", output, "--threads", "2", *options],
                              env={**os.environ, **MPI_ENVIRONMENT, "OMP_WAIT_POLICY": "passive"}, preexec_fn=enter,
                              capture_output=True, text=True, timeout=900)

    def test_a_limit_given_is_never_exceeded(self):
        image = self.image(64, 512, 512)
        for mib in (250, 400, 600):
            _, peak = self.measured(image, [deconvolve(SMALL_PSF)], "--memory", f"{mib}MiB")
            self.assertLessEqual(peak, mib * MIB)

    def test_in_a_control_group(self):
        """The run takes its limit from the group and lives; the same without looking would be killed."""
        limit = 300 * MIB
        group = Group.make(limit)
        if group is None:
            print("SKIPPED: no control group can be made here; the limit on data is tested instead")
            self.skipTest("no control group")
        self.addCleanup(group.remove)
        image = self.image(64, 512, 512)
        done = self.run_limited(image, limit, group.enter)
        self.assertEqual(done.returncode, 0, done.stderr)
        planned = self.resources("r")["planned_bytes_per_rank"]
        print(f"in a group of {limit // MIB} MiB: planned {planned / MIB:.0f} MiB, {dict(group.failures())}")
        self.assertLess(planned, limit)
        killed = self.run_limited(image, limit, group.enter, "--tile", "whole", "--memory", "2GiB", "--overwrite")
        self.assertNotEqual(killed.returncode, 0, "a limit that stops nobody proves nothing")

    def test_with_a_limit_on_data(self):
        limit = 300 * MIB
        image = self.image(64, 512, 512)

        def enter():
            resource.setrlimit(resource.RLIMIT_DATA, (limit + MAPS, limit + MAPS))

        done = self.run_limited(image, limit, enter)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.resources("r")
        self.assertLess(found["planned_bytes_per_rank"], limit)
        self.assertLessEqual(found["peak_bytes_rank0"], limit)

    def test_too_little_is_refused_with_the_numbers(self):
        file = self.workflow(str(self.image(64, 256, 256)), [deconvolve(SMALL_PSF)])
        self.fails(2, "nothing fits into 60 MiB", "blocks", "scratch", "--memory",
                   arguments=("run", file, "--output", self.folder / "r.h5", "--memory", "60MiB"))

    def test_what_steps_are_bound_to_is_refused_before_it_is_taken(self):
        optics = {"model": "gibson-lanni", "na": 1.4, "wavelength": "525 nm", "n_sample": 1.38, "loss": "0.01 %",
                  "voxel": ["0.2 um", "0.1 um", "0.1 um"]}
        wide = self.folder / "wide.tif"
        tifffile.imwrite(wide, np.ones((90, 500, 500), "f4"), metadata={"axes": "ZYX"})
        for title, more in (("optics", {"psf": optics}), ("with depth", {"psf": {**optics, "varying": "eigen"}}),
                            ("a file", {"psf": {"file": str(wide)}}), ("a map", {"background_file": str(wide)})):
            step = {"deconvolve": {"iterations": 1, "psf": {"model": "gaussian", "sigma": SMALL_PSF}, **more}}
            file = self.workflow("null:90x500x500:u16", [step])
            done = subprocess.run([sys.executable, "-c", PEAK, TARKKA, "plan", file, "--memory", "75MiB"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, title)
            self.assertRegex(done.stderr, "workflow.yaml:1:[0-9]+: deconvolve.*nothing fits.*--memory", title)
            self.assertLess(int(done.stdout) * 1024, 75 * MIB, title)


if __name__ == "__main__":
    unittest.main()
