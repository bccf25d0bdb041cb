"""The same bytes for any ranks, threads, instruction sets and, for exact steps, any tile grid: over all steps there are.

The workflows are made from the program's own list of steps: chains that use every step once, by kinds."""
import itertools
import json
import unittest

import h5py
import numpy

from harness import QUICK, SystemTest, instruction_sets, sha256, tarkka

GRIDS = ["whole", "16x24x32", "9x40x23", "12x17x61"]
RANKS = [1, 2, 3, 5]
THREADS = [1, 2]


def steps():
    """All steps: name, kinds, exact, example."""
    schema = json.loads(tarkka("steps", "--json").stdout)
    properties = next(i for i in schema["properties"]["steps"]["items"]["oneOf"] if "properties" in i)["properties"]
    return [{"name": name, **item["oneOf"][0]["tarkka"]} for name, item in properties.items()]


def entry(step):
    return {step["name"]: {**yaml_map(step["example"]), "keep": True}}


def yaml_map(text):
    import yaml
    return yaml.safe_load(text) or {}


def path_to(kind, known):
    """The shortest chain of exact steps from an image to this kind."""
    paths = {"image": []}
    for _ in known:
        for step in known:
            if step["exact"] and step["input"] in paths and step["output"] not in paths:
                paths[step["output"]] = paths[step["input"]] + [step]
    return paths[kind]


def chains():
    """Workflows that together use every step. Steps whose tiles are not exact, and classifiers, which know only images such
    as they have learned from, stand alone at the end of theirs."""
    known = steps()
    alone = [s for s in known if not s["exact"] or "model.h5" in s["example"]]
    left = [s for s in known if s not in alone]
    while left:
        chain, kind = [], "image"
        while kind != "table":
            here = [s for s in left if s["input"] == kind and s["output"] == kind]
            onward = ([s for s in left if s["input"] == kind and s["output"] != kind] or
                      [s for s in known if s["exact"] and s["input"] == kind and s["output"] != kind])
            chain += here + onward[:1]
            left = [s for s in left if s not in chain]
            if not onward:
                break
            kind = onward[0]["output"]
        yield chain, True
    for step in alone:
        yield path_to(step["input"], known) + [step], step["exact"]


def digests(path):
    """SHA-256 of every dataset of images, labels and tables."""
    found = {}
    with h5py.File(path) as file:
        for group in ("images", "labels", "tables"):
            if group in file:
                file[group].visititems(
                    lambda name, item: found.update({f"{group}/{name}": sha256(item[()])})
                    if isinstance(item, h5py.Dataset) else None)
    return found


class Invariance(SystemTest):
    def setUp(self):
        super().setUp()
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "21x65x61", "--objects", "6", "--seed", "7")
        self.files_of_examples()

    def run_one(self, workflow, count, grid, ranks, threads, isa):
        output = self.folder / f"{count}.h5"
        self.ok("run", workflow, "--output", output, "--tile", grid, ranks=ranks, threads=threads, isa=isa)
        found = digests(output)
        output.unlink()
        output.with_suffix(".provenance.json").unlink()
        return found

    def test_every_step_on_a_series(self):
        """Two channels and three time points: the same bytes for any ranks and threads and, where it is exact, tiles."""
        image = numpy.random.default_rng(3).integers(0, 60, (3, 2, 7, 26, 29)).astype(numpy.uint16)
        image[:, :, 2:5, 6:20, 8:15] += 100
        image[1:, 1, 1:6, 3:9, 20:27] += 200
        with h5py.File(self.folder / "s.h5", "w") as file:
            file["s"] = image
        source = {"image": str(self.folder / "s.h5"), "channel": "all", "time": "all"}
        for number, (chain, exact) in enumerate(chains()):
            steps = [entry(s) for s in chain]
            text = json.dumps({"tarkka": 1, "input": source, "steps": steps})
            workflow = self.write("w.yaml", text.replace("21x65x61", "7x26x29"))  # computed images in examples
            whole = self.run_one(workflow, number, "whole", None, 1, None)
            self.assertGreaterEqual(len(whole), 6)
            for grid, ranks, threads in (("4x16x16", 3, 1), ("whole", 2, 2)):
                reference = whole if exact or grid == "whole" else self.run_one(workflow, number, grid, None, 2, None)
                with self.subTest(steps=[s["name"] for s in chain], grid=grid, ranks=ranks):
                    self.assertEqual(self.run_one(workflow, number, grid, ranks, threads, None), reference)

    def test_every_step(self):
        isas = instruction_sets()
        # all ranks and threads with the best instruction set; the others alone and on two ranks
        everything = [*itertools.product(RANKS, THREADS, isas[-1:]), *itertools.product((1, 2), THREADS, isas[:-1])]
        covered, runs = set(), 0
        for chain, exact in chains():
            covered |= {s["name"] for s in chain}
            workflow = self.workflow(str(self.folder / "p.ome.tif"), [entry(s) for s in chain])
            reference = None
            for grid in GRIDS:
                if reference is None or not exact:
                    reference = self.run_one(workflow, runs, grid, None, 1, isas[-1])
                    self.assertGreaterEqual(len(reference), len(chain) if chain[-1]["output"] != "table" else len(chain))
                combinations = everything[len(covered) % 5::7] if QUICK else everything
                for ranks, threads, isa in combinations:
                    runs += 1
                    with self.subTest(steps=[s["name"] for s in chain], grid=grid, ranks=ranks, threads=threads, isa=isa):
                        self.assertEqual(self.run_one(workflow, runs, grid, ranks, threads, isa), reference)
        self.assertEqual(covered, {s["name"] for s in steps()}, "a step is left out")
        print(f"{runs} runs, {len(covered)} steps, grids {GRIDS}, ranks {RANKS}, threads {THREADS}, {isas}")


if __name__ == "__main__":
    unittest.main()
