#!/usr/bin/env python3
"""The whole program against its kernels: seconds of a run over seconds inside its steps, for every step there is.

end_to_end.py TARKKA [--quick] [--json FILE]

The steps and a small use of each come from `tarkka steps --json`; the image is a phantom. Both times are in the result's
provenance (resources.seconds and resources.seconds_over_ranks.compute). What lies between them is reading, compressing,
writing, reading back and hashing. One rank, one thread, so that the two can be compared; the median of several runs.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import yaml


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tarkka")
    parser.add_argument("--quick", action="store_true", help="a small image, one run")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


def run(tarkka, *arguments):
    done = subprocess.run([tarkka, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"tarkka {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def known_steps(tarkka):
    schema = json.loads(run(tarkka, "steps", "--json"))
    properties = next(i for i in schema["properties"]["steps"]["items"]["oneOf"] if "properties" in i)["properties"]
    return {name: item["oneOf"][0]["tarkka"] for name, item in properties.items()}


def chain_to(step, steps):
    """The shortest list of exact steps that ends with `step`."""
    paths = {"image": []}
    for _ in steps:
        for name, facts in steps.items():
            if facts["exact"] and facts["input"] in paths and facts["output"] not in paths:
                paths[facts["output"]] = paths[facts["input"]] + [name]
    return paths[steps[step]["input"]] + [step]


def jobs(tarkka):
    """Name and steps: each step's own example, and the main job: 15 iterations of deconvolution."""
    steps = known_steps(tarkka)
    for name in steps:
        chain = chain_to(name, steps)
        yield name, [{s: yaml.safe_load(steps[s]["example"])} for s in chain]
    psf = {"model": "gaussian", "sigma": ["3.5 px", "4.5 px", "4.5 px"]}
    yield "main job", [{"deconvolve": {"iterations": 15, "psf": psf, "read_noise": 1.5}}]


def measure(tarkka, folder, image, steps, runs):
    workflow = folder / "workflow.yaml"
    workflow.write_text(json.dumps({"tarkka": 1, "input": str(image), "steps": steps}))
    total, kernels = [], []
    for i in range(runs + 1):  # the first one warms the file cache and the FFT plans
        run(tarkka, "run", workflow, "--output", folder / "r.h5", "--overwrite", "--threads", 1)
        resources = json.loads((folder / "r.provenance.json").read_text())["resources"]
        if i:
            total.append(resources["seconds"])
            kernels.append(resources["seconds_over_ranks"]["compute"])
    return statistics.median(total), statistics.median(kernels)


def main():
    options = parse()
    size, runs = ("16x128x128", 1) if options.quick else ("64x512x512", 3)
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run(options.tarkka, "phantom", "nuclei", folder / "p", "--size", size)
        run(options.tarkka, "phantom", "nuclei", folder / "learn", "--size", "12x40x40", "--objects", "2")
        run(options.tarkka, "train", folder / "learn.ome.tif", folder / "learn_labels.ome.tif", "--output", folder / "model.h5")
        print(f"{'':12} {'run s':>8} {'steps s':>8} {'ratio':>6}   ({size}, 1 rank, 1 thread, median of {runs})")
        for title, steps in jobs(options.tarkka):
            total, kernels = measure(options.tarkka, folder, folder / "p.ome.tif", steps, runs)
            figures.append({"job": title, "seconds": total, "seconds_in_steps": kernels, "ratio": total / kernels})
            print(f"{title:12} {total:8.3f} {kernels:8.3f} {total / kernels:6.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"size": size, "runs": runs, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
