"""The step score and tarkka compare, against measures by numpy and scikit-image, for tiles and ranks."""
import json
import unittest

import h5py
import numpy
from skimage import measure, metrics

from harness import SystemTest

WAYS = [("whole", None), ("7x16x24", None), ("9x40x23", 3)]
SHAPE = (20, 48, 50)


def blobs(seed, level):
    rng = numpy.random.default_rng(seed)
    coarse = numpy.kron(rng.random([n // 4 + 1 for n in SHAPE]), numpy.ones((4, 4, 4)))[tuple(slice(n) for n in SHAPE)]
    return (coarse > level).astype(numpy.uint8)


def expected(truth, result):
    """All measures from the two label images."""
    pairs, counts = numpy.unique(numpy.stack([truth.ravel(), result.ravel()]), axis=1, return_counts=True)
    table = numpy.zeros((truth.max() + 1, result.max() + 1), numpy.int64)
    table[pairs[0], pairs[1]] = counts
    truths, results = table.sum(1)[1:, None], table.sum(0)[None, 1:]
    truths_here, results_here = (truths > 0).sum(), (results > 0).sum()
    both = table[1:, 1:]
    iou = both / (truths + results - both)
    covers = both > truths / 2
    hits = iou > 0.5
    by_result = covers.sum(0)
    cost = 10 * (truths_here - covers.sum()) + 5 * (numpy.maximum(by_result, 1) - 1).sum() + (by_result == 0).sum()
    error, precision, recall = metrics.adapted_rand_error(truth, result)
    split, merge = metrics.variation_of_information(truth, result)
    ap = [(iou > t).sum() / (truths_here + results_here - (iou > t).sum()) for t in numpy.arange(10) / 20 + 0.5]
    return {"truth_objects": truths_here, "result_objects": results_here,
            "f1": 2 * hits.sum() / (truths_here + results_here), "precision": hits.sum() / results_here,
            "recall": hits.sum() / truths_here, "seg": (iou * covers).sum() / truths_here,
            "det": 1 - min(cost, 10 * truths_here) / (10 * truths_here),
            "panoptic_quality": iou[hits].sum() / (truths_here + results_here) * 2, "segmentation_quality": iou[hits].mean(),
            "dice": 2 * both.sum() / ((truth > 0).sum() + (result > 0).sum()),
            "object_dice": (2 * both / (truths + results)).max(1).mean(), "mean_average_precision": numpy.mean(ap),
            "adapted_rand_error": error, "adapted_rand_precision": precision, "adapted_rand_recall": recall,
            "voi_split": split, "voi_merge": merge}


class Score(SystemTest):
    def save(self, name, data):
        with h5py.File(self.folder / f"{name}.h5", "w") as file:
            file["i"] = data
        return f"{self.folder / name}.h5:/i"

    def run_one(self, image, truth, tile, ranks):
        steps = [{"threshold": {"method": "fixed", "value": 0}}, {"label": {"connectivity": 6}}, {"score": {"truth": truth}}]
        out = self.folder / "R.h5"
        self.ok("run", self.workflow(image, steps), "--output", out, "--overwrite", "--tile", tile, ranks=ranks)
        with h5py.File(out) as file:
            found = file["labels/label"]
            if isinstance(found, h5py.Group):  # one for each time point
                found = numpy.stack([found[f"{time}/c00"][...] for time in sorted(found)])
            return found[...], {name: column[...] for name, column in file["tables/score"].items()}

    def check_row(self, columns, row, values):
        for name, value in values.items():
            self.assertAlmostEqual(float(columns[name][row]), float(value), delta=1e-12, msg=name)

    def test_one_row_for_a_volume(self):
        truth = measure.label(blobs(1, 0.7), connectivity=1)
        mask = (blobs(1, 0.7) | (blobs(2, 0.99))) & (1 - blobs(3, 0.95))
        image, truth_file, first = self.save("image", mask), self.save("truth", truth.astype(numpy.uint16)), None
        for tile, ranks in WAYS:
            labels, columns = self.run_one(image, truth_file, tile, ranks)
            first = first or columns
            self.check_row(columns, 0, expected(truth, labels.astype(int)))
            for name in columns:
                self.assertEqual(columns[name].tobytes(), first[name].tobytes(), (name, tile, ranks))
        said = json.loads(self.ok("compare", f"{self.folder}/R.h5:/labels/label", truth_file, "--labels", "--json").stdout)
        for name in set(columns) & set(said["metrics"]):
            self.assertEqual(float(columns[name][0]), said["metrics"][name], name)
        self.assertIn("panoptic quality", self.ok("compare", f"{self.folder}/R.h5:/labels/label", truth_file, "--labels").stdout)

    def test_a_row_for_each_time_point(self):
        truth = numpy.stack([measure.label(blobs(seed, 0.7), connectivity=1) for seed in (1, 2, 3)])
        mask = numpy.stack([blobs(seed, 0.72) for seed in (1, 2, 3)])
        image, truth_file = self.save("image", mask[:, None]), self.save("truth", truth[:, None].astype(numpy.uint32))
        for tile, ranks in WAYS:
            labels, columns = self.run_one({"image": image, "time": "all"}, truth_file, tile, ranks)
            self.assertEqual(list(columns["t"]), [0, 1, 2])
            for t in range(3):
                self.check_row(columns, t, expected(truth[t], labels[t].astype(int).reshape(SHAPE)))

    def test_truth_that_is_none(self):
        image = self.save("image", blobs(1, 0.7))
        for name, data, code, words in (("float", numpy.ones(SHAPE, "f4"), 2, "integers"),
                                        ("large", numpy.full(SHAPE, 2**33, "i8"), 3, "4294967295"),
                                        ("negative", numpy.full(SHAPE, -1, "i4"), 3, "4294967295"),
                                        ("small", numpy.ones((3, 4, 5), "u1"), 2, "must be the same")):
            workflow = self.workflow(image, [{"threshold": {"method": "fixed", "value": 0}}, "label",
                                             {"score": {"truth": self.save(name, data)}}])
            self.fails(code, words, arguments=("run", workflow, "--output", self.folder / f"{name}-R.h5"))


if __name__ == "__main__":
    unittest.main()
