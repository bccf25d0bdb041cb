#!/usr/bin/env python3
"""How well the ready workflows segment published images with known truth.

quality.py BUILD DATA [--every N] [--json FILE] [SET ...]      BUILD: a folder with a release build; DATA: with segmentation/

Parameters are fixed for each set. Scores are those of all images of a set together: SEG is the mean over true objects, AP50 is
TP / (TP + FP + FN) at an intersection over union above one half. They are counted here, with numpy, from the labels alone.
Of the set `fib25`, membranes are learned in one corner, an eighth of the volume, from a share of its voxels; what is told
is the variation of information on the rest, in bits: by objects that are split, and by those that are merged.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy
import tifffile
import yaml

WORKFLOWS = pathlib.Path(__file__).resolve().parents[1] / "workflows"


def scores(truth, found):
    """True objects, found ones, matches, and the sum of SEG."""
    table = numpy.bincount((truth.astype(numpy.int64) * (int(found.max()) + 1) + found).ravel(),
                           minlength=(int(truth.max()) + 1) * (int(found.max()) + 1)).reshape(int(truth.max()) + 1, -1)
    of_truth, of_found = table.sum(1), table.sum(0)
    both = table[1:, 1:][of_truth[1:] > 0][:, of_found[1:] > 0]
    of_truth, of_found = of_truth[1:][of_truth[1:] > 0], of_found[1:][of_found[1:] > 0]
    if not both.size:
        return numpy.array([len(of_truth), len(of_found), 0, 0.0])
    jaccard = both / (of_truth[:, None] + of_found[None] - both)
    best = both.argmax(1)
    rows = numpy.arange(len(of_truth))
    covered = both[rows, best] > of_truth / 2
    return numpy.array([len(of_truth), len(of_found), (jaccard > 0.5).sum(), jaccard[rows, best][covered].sum()])


def bbbc039(data, every):
    path = data / "segmentation/bbbc039/bbbc039_50.h5"
    with h5py.File(path) as file:
        for t in range(0, file["label"].shape[0], every):
            yield {"image": f"{path}:/raw", "axes": "tyx", "time": t}, file["label"][t][None]


def dsb2018(data, every):
    path = data / "segmentation/dsb2018/dsb2018_fluo.h5"
    with h5py.File(path) as file:
        for name in sorted(file)[::every]:
            yield {"image": f"{path}:/{name}/raw"}, file[name]["label"][...][None]


def stardist(data, every):
    folder = data / "segmentation/stardist"
    yield {"image": str(folder / "stardist_data_images_img2d.tif")}, tifffile.imread(folder / "stardist_data_images_mask2d.tif")[None]


def synthetic3d(data, every):
    path = data / "segmentation/synthetic3d/nuclei3d_synth.h5"
    with h5py.File(path) as file:
        yield {"image": f"{path}:/raw"}, file["label"][...]


def plantseg(data, every):
    path = data / "segmentation/plantseg_nuclei3d/1135_mini.h5"
    with h5py.File(path) as file:
        yield {"image": f"{path}:/raw"}, file["label" if "label" in file else "nuclei_labels"][...]


SETS = {"bbbc039": (bbbc039, "nuclei-2d", ["local_threshold.floor=120 %"], {"AP50": 0.85, "SEG": 0.80}),
        "dsb2018": (dsb2018, "nuclei-2d", ["local_threshold.floor=90 %", "watershed.h=0.5", "clean_mask.min_size=30"], {"AP50": 0.63}),
        "stardist": (stardist, "nuclei-2d", [], {"AP50": 0.62}),
        "synthetic3d": (synthetic3d, "nuclei-3d", [], {"AP50": 0.93}),
        "plantseg": (plantseg, "nuclei-3d", ["smoothing=3 px", "threshold.method=otsu", "clean_mask.min_size=500", "watershed.h=0.5"], {})}


# Of fib25: methods, and the settings of each.
MEMBRANES = {"forest": [], "mlp": []}
CORNER, LABELLED = 125, 0.05


def membranes_of(truth):
    """Which voxels have a face neighbour of another body."""
    found = numpy.zeros(truth.shape, bool)
    for axis in range(3):
        differs = numpy.moveaxis(numpy.diff(truth, axis=axis) != 0, axis, 0)
        along = numpy.moveaxis(found, axis, 0)
        along[1:] |= differs
        along[:-1] |= differs
    return found


def variation_of_information(truth, found):
    """Bits of `found` given `truth` (split), and of `truth` given `found` (merged)."""
    pairs, counts = numpy.unique(truth.astype(numpy.uint64) << numpy.uint64(32) | found, return_counts=True)
    share = counts / counts.sum()
    sums = []
    for key in (pairs >> numpy.uint64(32), pairs & numpy.uint64(0xffffffff)):
        _, index = numpy.unique(key, return_inverse=True)
        sums.append(-(share * numpy.log2(share / numpy.bincount(index, share)[index])).sum())
    return sums


def fib25(program, data, folder, figures):
    path = data / "segmentation/fib25/fib25_sample2.h5"
    with h5py.File(path) as file:
        truth = file["label"][...]
    strokes = numpy.zeros(truth.shape, numpy.uint8)
    corner = (slice(CORNER),) * 3
    chosen = numpy.random.default_rng(0).random((CORNER,) * 3) < LABELLED
    strokes[corner] = numpy.where(chosen, 1 + membranes_of(truth[corner]), 0)
    rest = truth > 0
    rest[corner] = False
    with h5py.File(folder / "strokes.h5", "w") as file:
        file.create_dataset("strokes", data=strokes, compression=1)
    for method, settings in MEMBRANES.items():
        done = subprocess.run([program, "train", f"{path}:/raw", folder / "strokes.h5:/strokes", "--output", folder / "model.h5",
                               "--overwrite", "--method", method, "--classes", "inside,membrane"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        found = labels_of(program, folder, "pixel-classifier", {"image": f"{path}:/raw"},
                          [f"classify.model={folder / 'model.h5'}", *settings])
        split, merged = variation_of_information(truth[rest], found[rest])
        figures.append({"set": "fib25", "method": method, "objects": int(found.max()), "VOI_split": split, "VOI_merged": merged})
        print(f"{'fib25':12} {'pixel-classifier':10}, {method}: {int(found.max())} objects, variation of information "
              f"{split + merged:.3f} bits ({split:.3f} split, {merged:.3f} merged)", flush=True)


def labels_of(program, folder, workflow, source, settings):
    steps = yaml.safe_load((WORKFLOWS / f"{workflow}.yaml").read_text())
    (folder / "w.yaml").write_text(json.dumps({**steps, "input": source}))
    command = [program, "run", folder / "w.yaml", "--output", folder / "r.h5", "--overwrite"]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{source}: {done.stderr}")
    with h5py.File(folder / "r.h5") as file:
        return file["labels/watershed"][...]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("data", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join([*SETS, "fib25"]))
    parser.add_argument("--every", type=int, default=1, help="of sets of many images, only every so many")
    parser.add_argument("--json", help="write the figures to this file")
    options = parser.parse_intermixed_args()
    figures = []
    print(f"{'set':12} {'workflow':10} {'images':>6} {'true':>6} {'found':>6} {'AP50':>6} {'SEG':>6}  wanted")
    with tempfile.TemporaryDirectory() as name:
        for key in options.sets or [*SETS, "fib25"]:
            if key == "fib25":
                fib25(options.build / "tarkka", options.data, pathlib.Path(name), figures)
                continue
            images, workflow, settings, wanted = SETS[key]
            total, count = numpy.zeros(4), 0
            for source, truth in images(options.data, options.every):
                total += scores(truth, labels_of(options.build / "tarkka", pathlib.Path(name), workflow, source, settings))
                count += 1
            true, found, matched, seg = total
            ap = matched / (true + found - matched)
            figures.append({"set": key, "images": count, "true": int(true), "found": int(found), "AP50": ap, "SEG": seg / true, "wanted": wanted})
            print(f"{key:12} {workflow:10} {count:6} {int(true):6} {int(found):6} {ap:6.3f} {seg / true:6.3f}  "
                  + ", ".join(f"{what} >= {value}" for what, value in wanted.items()), flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
