#!/usr/bin/env python3
"""What the engine adds to its kernels: waiting at the end of a sweep, reading, writing, several ranks.

cluster.py BUILD [--quick] [--json FILE] [CASE ...]      BUILD: a folder with a release build and its tests

  schedule   8 ranks, tiles that only wait: 15 % of them six times as long, lognormal; the ranks' waiting over the ranks' time
  ranks      two ranks of one thread against one: deconvolution, and connected components with their measures
  overhead   time in sweeps that is spent neither in steps nor in compressing results, one rank of one thread
  overlap    a source so slow that reading takes a third of the time of computing: which part of it is hidden

A result that differs from that of one rank stops the benchmark. Runs of the two sides of a ratio take turns; the ratio is
that of the shortest times. Two cores that do nothing else are needed.
"""
import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py

MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_btl": "self,vader", "OMPI_MCA_pml": "ob1", "OMPI_MCA_osc": "^ucx",
       "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OMPI_MCA_hwloc_base_binding_policy": "none",
       "OMPI_MCA_mpi_yield_when_idle": "1", "OMP_WAIT_POLICY": "passive"}
PSF = {"model": "gaussian", "sigma": ["2 px", "2.5 px", "2.5 px"]}
DECONVOLVE = [{"deconvolve": {"iterations": 10, "psf": PSF}}]
COMPONENTS = [{"threshold": {"method": "fixed", "value": 40, "keep": False}}, {"label": {"keep": False}},
              {"measure": {"intensity": "input"}}]


class Bench:
    def __init__(self, folder, build, quick):
        self.folder, self.build, self.quick = folder, build, quick
        self.repeats = 1 if quick else 5
        self.program, self.trial = build / "tarkka", build / "tests/tarkka-trial"
        self.faults = build / "tests/libtarkka_faults.so"
        self.figures = []

    def workflow(self, image, steps):
        path = self.folder / "workflow.yaml"
        path.write_text(json.dumps({"tarkka": 1, "input": str(image), "steps": steps}))
        return path

    def run(self, file, *options, ranks=1, program=None, environment=None):
        """Runs a workflow; its provenance and a checksum of its result."""
        command = [program or self.program, "run", file, "--output", self.folder / "r.h5", "--overwrite", "--threads", 1,
                   *options]
        own = [f"{k}={v}" for k, v in (environment or {}).items()]
        command = ["mpirun", "-n", ranks, "env", *own, *command]
        done = subprocess.run(list(map(str, command)), env={**os.environ, **MPI}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
        return json.loads((self.folder / "r.provenance.json").read_text()), self.digest()

    def digest(self):
        total = hashlib.sha256()
        with h5py.File(self.folder / "r.h5") as file:
            for group in ("images", "labels", "tables"):
                if group in file:
                    file[group].visititems(lambda name, item: total.update(item[()].tobytes())
                                           if isinstance(item, h5py.Dataset) else None)
        return total.hexdigest()

    def compare(self, one, other):
        """The shortest times of two ways to run the same, by turns; the first of each warms up."""
        best = [float("inf")] * 2
        for number in range(self.repeats + 1):
            seconds, sums = zip(*((p["resources"]["seconds"], digest) for p, digest in (one(), other())))
            if sums[0] != sums[1]:
                sys.exit("the two results differ")
            if number:
                best = [min(b, s) for b, s in zip(best, seconds)]
        return best

    def say(self, case, what, value, wanted, **more):
        self.figures.append({"case": case, "what": what, "value": value, "wanted": wanted, **more})
        details = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in more.items())
        print(f"{case:9} {what:42} {value:8.3f}   wanted {wanted:8}  {details}", flush=True)


def schedule(bench):
    """From the moments at which tiles begin and end: sum of the tiles' times over ranks times the time between the first
    tile's begin and the last one's end."""
    ranks = 8
    marks = bench.folder / "marks"
    marks.mkdir()
    size = "128x128x128" if bench.quick else "192x192x192"
    file = bench.workflow(f"null:{size}:u8", [{"wait": {"median": 20, "spread": 0.5, "dear": "15 %"}}])
    for kind in ("auto", "server", "static"):
        bench.run(file, "--tile", "16x16x16", "--scheduler", kind, ranks=ranks, program=bench.trial,
                  environment={"TARKKA_TRIAL_MARKS": marks})
        begin = {p.name[6:]: p.stat().st_mtime_ns for p in marks.glob("begin-*")}
        end = {p.name[4:]: p.stat().st_mtime_ns for p in marks.glob("end-*")}
        busy, span = sum(end[k] - begin[k] for k in end), max(end.values()) - min(begin.values())
        bench.say("schedule", f"efficiency of {ranks} ranks, {kind}", busy / span / ranks,
                  "-" if kind == "static" else ">= 0.95", tiles=len(end), seconds=span / 1e9)
        for path in marks.iterdir():
            path.unlink()


def ranks(bench):
    size = "48x256x256" if bench.quick else "96x384x384"
    for name, steps, image in (("deconvolution", DECONVOLVE, f"null:{size}:u16"),
                               ("components", COMPONENTS, "null:256x512x512:u8" if bench.quick else "null:512x768x768:u8")):
        file = bench.workflow(image, steps)
        tile = ["--tile", "48x96x96"] if name == "deconvolution" else ["--tile", "64x128x256"]
        one, two = bench.compare(lambda: bench.run(file, *tile), lambda: bench.run(file, *tile, ranks=2))
        bench.say("ranks", f"{name}: two ranks against one", one / two, ">= 1.85", one=one, two=two)


def overhead(bench):
    size = "48x256x256" if bench.quick else "96x384x384"
    for name, steps, image in (("deconvolution", DECONVOLVE, f"null:{size}:u16"),
                               ("components", COMPONENTS, "null:256x512x512:u8")):
        file = bench.workflow(image, steps)
        runs = [bench.run(file)[0]["resources"]["seconds_over_ranks"] for _ in range(bench.repeats + 1)]
        times = min(runs, key=lambda t: t["sweeps"])
        beyond = times["sweeps"] - times["compute"] - times["encode"]
        bench.say("overhead", f"{name}: beyond the kernels' time", beyond / times["compute"], "<= 0.05",
                  **{name: times[name] for name in ("sweeps", "compute", "encode", "read_waited", "write_waited")})


def slow_run(bench, file, image, rate):
    """Times of a run whose source gives so many bytes a second (0: as it is), and the seconds that this took."""
    state = bench.folder / "state"
    state.mkdir(exist_ok=True)
    for path in state.iterdir():
        path.unlink()
    environment = {"LD_PRELOAD": bench.faults, "TARKKA_FAULTS": f"read {image.name} rate={rate}",
                   "TARKKA_FAULTS_STATE": state} if rate else None
    times = bench.run(file, "--tile", "24x96x96", environment=environment)[0]["resources"]["seconds_over_ranks"]
    return times, sum(float(path.read_text()) for path in state.iterdir())


def overlap(bench):
    """The time by which the sweeps get longer when reading gets slower, over the time that the reads take longer."""
    size = "48x256x256" if bench.quick else "96x256x256"
    subprocess.run([bench.program, "phantom", "nuclei", bench.folder / "p", "--size", size], check=True,
                   capture_output=True)
    image = bench.folder / "p.ome.tif"
    file = bench.workflow(image, DECONVOLVE)
    quick, _ = slow_run(bench, file, image, 0)
    rate = 10**8
    for _ in range(2):  # until the reads take a third of the computing, whatever the sleeps' own overhead
        rate = int(rate * slow_run(bench, file, image, rate)[1] / (quick["compute"] / 3))
    pairs = [(slow_run(bench, file, image, 0)[0], *slow_run(bench, file, image, rate)) for _ in range(min(bench.repeats, 3))]
    base = min(quick["sweeps"] for quick, _, _ in pairs)
    slow, slept = min(((slow, slept) for _, slow, slept in pairs), key=lambda pair: pair[0]["sweeps"])
    bench.say("overlap", "share of the reading that is hidden", 1 - (slow["sweeps"] - base) / slept, ">= 0.80",
              slept=slept, compute=slow["compute"], sweeps=slow["sweeps"], without=base)


CASES = {"schedule": schedule, "ranks": ranks, "overhead": overhead, "overlap": overlap}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="small images, one run")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(pathlib.Path(name), options.build, options.quick)
        for case in options.cases or CASES:
            CASES[case](bench)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(bench.figures, indent=2))


if __name__ == "__main__":
    main()
