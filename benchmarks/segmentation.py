#!/usr/bin/env python3
"""How fast segmentation is against scipy, scikit-image and, where they are installed, cc3d and edt.

segmentation.py BUILD [--quick] [--json FILE] [ROW ...]     BUILD: a folder with the benchmarks, as build/bench

The programs bench_* write their volumes (--volumes) and times; peers are then timed on the same voxels. A ratio is the
peer's time over tarkka's on one thread: above 1 tarkka is faster. Both are CPU time, the least of several; "1->2" is of
times on the clock, and of no use on a busy machine.

A row is one entry of ROWS: the program and its case, the volume's name, and the peers that do the same. A program that
is not in BUILD, and a peer that is not installed, are left out and named.
"""
import argparse
import dataclasses
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Callable

import numpy as np


@dataclasses.dataclass
class Peer:
    name: str
    module: str
    run: Callable  # of the module and the volumes


@dataclasses.dataclass
class Row:
    program: str  # bench_PROGRAM
    case: str     # as the program names it
    volume: str   # as bench_volume names it; of several, with spaces between
    peers: list


def scipy_label(connectivity):
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    return Peer("scipy", "scipy.ndimage", lambda ndimage, volume: ndimage.label(
        volume, ndimage.generate_binary_structure(3, rank), output=np.uint32))


def skimage_label(connectivity):
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    return Peer("skimage", "skimage.measure", lambda measure, volume: measure.label(volume, connectivity=rank))


def cc3d_label(connectivity):
    return Peer("cc3d", "cc3d", lambda cc3d, volume: cc3d.connected_components(
        volume, connectivity=connectivity, out_dtype=np.uint32))


def skimage_table(*properties):
    """The labels stand in for intensities."""
    return Peer("skimage", "skimage.measure", lambda measure, volume: measure.regionprops_table(
        volume, volume, ("label", "area", "bbox", "centroid", *properties)))


def skimage_watershed():
    return Peer("skimage", "skimage.segmentation", lambda segmentation, land, markers, mask=None: segmentation.watershed(
        -land, markers.astype(np.int32), mask=None if mask is None else mask.astype(bool)))


ROWS = [Row("segment", f"components, {volume}, connectivity {connectivity}", volume,
            [cc3d_label(connectivity), scipy_label(connectivity), skimage_label(connectivity)])
        for volume in ("blobs", "random") for connectivity in (6, 26)]
INTENSITY = ("intensity_min", "intensity_max", "intensity_mean")
ROWS += [Row("measure", f"{volume}, {case}", volume, [skimage_table(*properties)])
         for volume in ("balls", "cells")
         for case, properties in (("basic", ()), ("basic and intensity", INTENSITY),
                                  ("all", (*INTENSITY, "centroid_weighted", "axis_major_length", "euler_number")))]
ROWS += [Row("watershed", f"markers, {part}, one tile", volumes, [skimage_watershed()])
         for part, volumes in (("all", "landscape markers"), ("the highest third", "landscape markers_masked mask"))]


def run_program(build, program, folder, quick):
    """{(case, threads): result} of a program; None when there is none. Its volumes are left in the folder."""
    path = build / "benchmarks" / f"bench_{program}"
    if not path.exists():
        return None
    out = folder / f"{program}.json"
    command = [path, "--json", out, "--volumes", folder] + (["--quick"] if quick else [])
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    results = json.loads(out.read_text())["results"]
    return {(r["name"], r["threads"]): r for r in results if "min_s" in r}


def read_volume(folder, name):
    path, = folder.glob(f"{name}.*.raw")
    element, size = path.name[len(name) + 1:-len(".raw")].split(".")
    return np.fromfile(path, element).reshape([int(n) for n in size.split("x")])


def least_time(peer, volumes, repeats):
    """The least CPU seconds; None when the peer is not installed."""
    try:
        module = importlib.import_module(peer.module)
    except ImportError:
        return None
    times = []
    for _ in range(repeats):
        start = time.process_time()
        peer.run(module, *volumes)
        times.append(time.process_time() - start)
    return min(times)


def measure(row, times, folder, repeats):
    one, two = times.get((row.case, 1)), times.get((row.case, 2))
    if one is None:
        sys.exit(f"bench_{row.program} has no good result for: {row.case}")
    seconds, volumes = one["cpu_s"], [read_volume(folder, name) for name in row.volume.split()]
    peers = {peer.name: least_time(peer, volumes, repeats) for peer in row.peers}
    return {"case": row.case, "voxels": volumes[0].size, "seconds": seconds, "threads_2": one["min_s"] / two["min_s"] if two else None,
            "peers": peers, "ratios": {name: t / seconds for name, t in peers.items() if t is not None}}


def show(result):
    ratios = "  ".join(f"{name} {result['ratios'][name]:6.2f}" if name in result["ratios"] else f"{name} (none)"
                       for name in result["peers"])
    scaling = f"{result['threads_2']:5.2f}" if result["threads_2"] else "    -"
    print(f"{result['case']:44} {1e-6 * result['voxels'] / result['seconds']:9.0f} {scaling}   {ratios}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a part of the name of a case; none: all")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.rows or any(part in row.case for part in arguments.rows)]
    results, programs = [], {}
    print(f"{'case':44} {'Mvoxel/s':>9} {'1->2':>5}   time of others / time of tarkka, one thread")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for row in rows:
            if row.program not in programs:
                programs[row.program] = run_program(arguments.build, row.program, folder, arguments.quick)
            if programs[row.program] is None:
                print(f"{row.case:44} bench_{row.program} is not there")
                continue
            results.append(measure(row, programs[row.program], folder, 2 if arguments.quick else 3))
            show(results[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps({"benchmark": "segmentation", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
