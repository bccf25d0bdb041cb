"""Projects of ilastik: forests that vigra learns and writes, and its filters, against what tarkka makes of them."""
import json
import math
import os
import unittest
import warnings

import h5py
import numpy
from scipy import ndimage

from harness import ROOT, SystemTest, launch, may_not_skip

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import vigra
except ImportError:
    vigra = None

CHECK = os.environ.get("TARKKA_ILASTIK_CHECK", str(ROOT / "build/release/tests/ilastik_check"))
IDS = ["GaussianSmoothing", "LaplacianOfGaussian", "GaussianGradientMagnitude", "DifferenceOfGaussians",
       "StructureTensorEigenvalues", "HessianOfGaussianEigenvalues"]
GAUSSIAN, LAPLACIAN, GRADIENT, DOG, HESSIAN, STRUCTURE = 1, 2, 4, 8, 16, 32  # kernels/filter/features.h
NUMBER = dict(zip(IDS, (GAUSSIAN, LAPLACIAN, GRADIENT, DOG, STRUCTURE, HESSIAN)))
SCALES = [0.3, 0.7, 1.0, 1.6, 3.5, 5.0, 10.0]
# Relative differences of the filters that workflows/classify/ilastik.h tells of, scale by scale.
DIFFERENCE = {
    "GaussianSmoothing": [0.001, 0.004, 0.004, 0.003, 0.002, 0.004, 0.010],
    "LaplacianOfGaussian": [None, 0.36, 0.10, 0.085, 0.03, 0.03, 0.09],
    "GaussianGradientMagnitude": [None, 0.027, 0.018, 0.014, 0.006, 0.003, 0.005],
    "DifferenceOfGaussians": [None, 0.22, 0.03, 0.018, 0.004, 0.009, 0.014],
    "StructureTensorEigenvalues": [None, 0.03, 0.03, 0.025, 0.011, 0.004, 0.011],
    "HessianOfGaussianEigenvalues": [None, 0.33, 0.09, 0.065, 0.022, 0.02, 0.06],
}


def selection(**chosen):
    """SelectionMatrix: for each id, the scales that are chosen."""
    matrix = numpy.zeros((len(IDS), len(SCALES)), bool)
    for name, scales in chosen.items():
        for scale in scales:
            matrix[IDS.index(name), SCALES.index(scale)] = True
    return matrix


def write_features(group, matrix, in_2d):
    """As ilastik's FeatureSelectionSerializer does."""
    group["Scales"] = SCALES
    group["FeatureIds"] = [name.encode() for name in IDS]
    group["SelectionMatrix"] = matrix
    if in_2d is not None:
        group["ComputeIn2d"] = in_2d


class Project(SystemTest):
    """What every test needs: a project with features, to which forests are added."""

    def setUp(self):
        super().setUp()
        self.path = self.folder / "project.ilp"

    def read(self, values=numpy.zeros((0, 1))):
        """The columns, classes and probabilities that tarkka makes of the project."""
        numpy.asarray(values, numpy.float32).tofile(self.folder / "values")
        done = launch([CHECK, str(self.path), str(self.folder / "values"), str(len(values))])
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, *words):
        done = launch([CHECK, str(self.path), "/dev/null", "0"])
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        for word in ("project.ilp", *words):
            self.assertIn(word, done.stderr)

    def write_by_hand(self, matrix, in_2d, count, classes=2, topology=None, parameters=None, names=(b"a", b"b")):
        """A project with one forest of one tree: the feature 0 below 0.1 or not."""
        topology = topology or [count, classes, 0, 0, 7, 9, 0, 0x40000000, 2, 0x40000000, 3 + classes]
        parameters = parameters or [1, 0.1, 5, 1, *[0] * (classes - 1), 5, *[0] * (classes - 1), 1]
        with h5py.File(self.path, "w") as file:
            write_features(file.create_group("FeatureSelections"), matrix, in_2d)
            forest = file.create_group("PixelClassification/ClassifierForests/Forest0000")
            for name, value in (("column_count_", count), ("class_count_", classes)):
                forest[f"_ext_param/{name}"] = [float(value)]
            forest["_ext_param/labels"] = numpy.arange(1, classes + 1, dtype=numpy.uint32)
            forest["_options/tree_count_"] = [1.0]
            forest["_options/predict_weighted_"] = [0.0]
            forest["Tree_0/topology"] = numpy.array(topology, numpy.int32)
            forest["Tree_0/parameters"] = numpy.array(parameters, numpy.float64)
            if names:
                file["PixelClassification/LabelNames"] = list(names)


class ByHand(Project):
    def test_columns_are_in_ilastiks_order(self):
        matrix = selection(GaussianSmoothing=[0.3, 3.5], StructureTensorEigenvalues=[1.6],
                           HessianOfGaussianEigenvalues=[0.7, 1.6], DifferenceOfGaussians=[10.0])
        flat = [scale == 1.6 for scale in SCALES]
        for in_2d, channels in (([False] * 7, 1), ([True] * 7, 1), (flat, 1), (flat, 3), ([False] * 7, 2)):
            expected = []
            for i, name in enumerate(IDS):
                for j, scale in enumerate(SCALES):
                    outputs = (2 if in_2d[j] else 3) if "Eigenvalues" in name else 1
                    if matrix[i, j]:
                        expected += [[NUMBER[name], k, c, int(in_2d[j])]
                                     for c in range(channels) for k in range(outputs)]
            self.write_by_hand(matrix, in_2d, len(expected))
            made = self.read()
            self.assertEqual(made["channels"], channels)
            self.assertEqual([[f, *rest] for f, _, _, *rest in made["columns"]], expected)

    def test_sigmas_are_those_of_both_gaussians_together(self):
        matrix = selection(GaussianSmoothing=[1.6, 5.0, 10.0], DifferenceOfGaussians=[5.0],
                           StructureTensorEigenvalues=[5.0])
        self.write_by_hand(matrix, [True] * 7, 6)
        sigma = [c[1] for c in self.read()["columns"]]
        second = [c[2] for c in self.read()["columns"]]
        for got, wanted in zip(sigma, (1.6, 5, 10, 5, 5, 5)):  # a little less, since ilastik cuts its Gaussians off
            self.assertTrue(0.98 * wanted < got <= wanted, (got, wanted))
        self.assertEqual(second[:3], [0, 0, 0])
        self.assertAlmostEqual(second[3], math.sqrt(24 + 0.66 ** 2), delta=0.03)
        self.assertAlmostEqual(second[4], 0.5, delta=0.01)

    def test_without_compute_in_2d_the_number_of_features_tells(self):
        matrix = selection(GaussianSmoothing=[0.7], HessianOfGaussianEigenvalues=[1.0])
        for count, planes in ((4, 0), (3, 1), (8, 0), (9, 1)):  # a channel has 4 in space and 3 in planes
            self.write_by_hand(matrix, None, count)
            made = self.read()
            self.assertEqual(made["columns"][0][5], planes)
            self.assertEqual(made["channels"], count // (3 if planes else 4))
        self.write_by_hand(matrix, None, 12)
        self.refused("3 channels in space or of 4 in planes")
        self.write_by_hand(matrix, [False] * 7, 12)
        self.assertEqual(self.read()["channels"], 3)

    def test_an_image_of_one_plane_is_filtered_in_it(self):
        self.write_by_hand(selection(HessianOfGaussianEigenvalues=[1.0]), [False] * 7, 2)
        self.assertEqual([c[3:] for c in self.read()["columns"]], [[0, 0, 1], [1, 0, 1]])

    def test_the_answer_is_the_same_around_a_threshold(self):
        """0.1 is no float32: the next ones below and above go their ways."""
        self.write_by_hand(selection(GaussianSmoothing=[1.0]), [True] * 7, 1)
        below = numpy.nextafter(numpy.float32(0.1), numpy.float32(0))
        self.assertTrue(float(below) < 0.1 < float(numpy.nextafter(below, numpy.float32(1))))
        above = numpy.nextafter(below, numpy.float32(1))
        self.assertEqual(self.read([[below], [above]])["probabilities"], [[1, 0], [0, 1]])
        for threshold in (0.5, -0.1, 1e300, -1e300, 1e-300, -1e-300):
            self.write_by_hand(selection(GaussianSmoothing=[1.0]), [True] * 7, 1,
                               parameters=[1, threshold, 5, 1, 0, 5, 0, 1])
            values = numpy.array([0, -0.0, 0.5, 0.49999997, -0.1, -0.099999994, 1e38, -1e38, 1e-45, -1e-45],
                                 numpy.float32)
            self.assertEqual([p[0] for p in self.read(values[:, None])["probabilities"]],
                             [float(v < threshold) for v in values.astype(float)], threshold)

    def test_classes_have_ilastiks_names(self):
        matrix = selection(GaussianSmoothing=[1.0])
        for names, expected in (([b"nucleus", "Zellwände".encode()], ["nucleus", "Zellwände"]),
                                ([b"one"], ["one", "Label 2"]),
                                (None, ["Label 1", "Label 2"])):
            self.write_by_hand(matrix, [True] * 7, 1, names=names)
            self.assertEqual(self.read()["classes"], [[1, expected[0]], [2, expected[1]]])
        self.write_by_hand(matrix, [True] * 7, 1, names=None)
        with h5py.File(self.path, "a") as file:  # an empty list, as ilastik writes it
            file["PixelClassification/LabelNames"] = numpy.zeros(1)
        self.assertEqual(self.read()["classes"], [[1, "Label 1"], [2, "Label 2"]])

    def test_what_cannot_be_read_is_refused(self):
        matrix, one = selection(GaussianSmoothing=[1.0]), [True] * 7
        leaf = 0x40000000
        for topology, parameters, says in (
                ([1, 2, 1, 0, 7, 9, 0, leaf, 2, leaf, 5], None, "node of type 1; only thresholds"),
                ([1, 2, leaf | 1, 0], None, "node of type 1073741825"),
                ([1, 2, 0, 0, 2, 9, 0, leaf, 2, leaf, 5], None, "nodes within themselves"),
                ([1, 2, 0, 0, 7, 10, 0, leaf, 2, leaf, 5], None, "child lies outside"),
                ([1, 2, 0, 0, -7, 9, 0, leaf, 2, leaf, 5], None, "child lies outside"),
                ([1, 2, 0, 0, 7, 9, 1, leaf, 2, leaf, 5], None, "asks for a feature that there is not"),
                ([1, 2, 0, 7, 7, 9, 0, leaf, 2, leaf, 5], None, "node without its threshold"),
                ([1, 2, 0, 0, 7, 9, 0, leaf, 2, leaf, 6], None, "leaf without probabilities"),
                ([1, 2, 0, 0, 7, 9, 0, leaf, -2, leaf, 5], None, "leaf without probabilities"),
                ([1, 2, 0, 0], None, "node without its threshold"),
                ([1, 2], None, "is not a tree"),
                ([1, 3, 0, 0, 7, 9, 0, leaf, 2, leaf, 5], None, "is not a tree"),
                (None, [1, 0.1, 5, 1, 0.5, 5, 0, 1], "not 1 together"),
                (None, [1, 0.1, 5, 2, -1, 5, 0, 1], "beyond 0 to 1"),
                (None, [1, math.nan, 5, 1, 0, 5, 0, 1], "without its threshold")):
            self.write_by_hand(matrix, one, 1, topology=topology, parameters=parameters)
            self.refused("Forest0000/Tree_0/topology", says)
        self.write_by_hand(matrix, one, 2000)
        self.refused("column_count_", "not from 1 to 1024")
        self.write_by_hand(selection(GaussianSmoothing=[1.0], LaplacianOfGaussian=[0.3]), one, 2)
        self.refused("'LaplacianOfGaussian' of scale 0.3")
        self.write_by_hand(selection(HessianOfGaussianEigenvalues=[1.0]), one, 5)
        self.refused("has 5 features, but those chosen are 2 a channel")

    def test_other_projects_are_refused(self):
        forests = "PixelClassification/ClassifierForests"
        forest = forests + "/Forest0000"
        changes = (
            (lambda f: f.pop("FeatureSelections"), "'FeatureIds' is missing"),
            (lambda f: f.pop("PixelClassification"), "has no random forest of ilastik's"),
            (lambda f: f.create_dataset(forests + "/pickled_classifier", data=numpy.void(b"pickle")),
             "not ilastik's own"),
            (lambda f: f[forest].pop("Tree_0"), "has 0 trees where it says 1"),
            (lambda f: f[forest + "/Tree_0"].pop("parameters"), "is missing"),
            (lambda f: f[forest + "/_ext_param"].pop("labels"), "labels' is missing"),
            (lambda f: f[forest + "/_options/predict_weighted_"].write_direct(numpy.ones(1)), "weighs the votes"),
            (lambda f: f["FeatureSelections/FeatureIds"].write_direct(numpy.array([b"Gabor"] * 6, "S28")),
             "'Gabor' is not known"),
        )
        for change, says in changes:
            self.write_by_hand(selection(GaussianSmoothing=[1.0]), [True] * 7, 1)
            with h5py.File(self.path, "a") as file:
                change(file)
            self.refused(says)
        self.path.write_bytes(b"no HDF5")
        self.refused("cannot be opened")


class Vigra(Project):
    @classmethod
    def setUpClass(cls):
        if vigra:
            return
        message = "NO VIGRA: install python3-vigra"
        if may_not_skip("vigra"):
            raise AssertionError(message + " (this test may not be skipped here)")
        print("SKIPPED " + message, flush=True)
        raise unittest.SkipTest(message)

    def learn(self, values, labels, trees):
        """As ilastik's ParallelVigraRfLazyflowClassifier: several forests, written by vigra, copied into the project."""
        forests = [vigra.learning.RandomForest(count) for count in trees]
        written = str(self.folder / "forests.h5")
        for i, forest in enumerate(forests):
            forest.learnRF(values, labels[:, None])
            forest.writeHDF5(written, f"ClassifierForests/Forest{i:04d}")
        with h5py.File(self.path, "a") as file, h5py.File(written) as source:
            group = file.require_group("PixelClassification")
            source.copy("ClassifierForests", group)
            group["ClassifierForests/known_labels"] = numpy.unique(labels)
            group["ClassifierForests/pickled_type"] = numpy.void(b"clazyflow.classifiers\n.")
            group["LabelNames"] = [b"cell", b"edge", b"ground"]
        return forests

    def test_probabilities_are_vigras(self):
        """Also at values that are thresholds or close to them, and with a label that was not painted."""
        rng = numpy.random.default_rng(7)
        matrix = selection(GaussianSmoothing=[0.3, 0.7, 3.5], LaplacianOfGaussian=[1.0], GaussianGradientMagnitude=[1.6],
                           DifferenceOfGaussians=[5.0], StructureTensorEigenvalues=[1.6],
                           HessianOfGaussianEigenvalues=[3.5])
        for labels_used, trees in (((1, 2, 3), (7, 4, 4)), ((1, 3), (25,))):
            self.path.unlink(missing_ok=True)
            (self.folder / "forests.h5").unlink(missing_ok=True)
            with h5py.File(self.path, "w") as file:
                write_features(file.create_group("FeatureSelections"), matrix, [False] * 7)
            train = rng.normal(size=(3000, 12)).astype(numpy.float32)
            noise = rng.normal(scale=0.3, size=3000)
            kind = (train[:, 0] + train[:, 1] * train[:, 2] + noise > 0).astype(int) + (train[:, 5] > 1)
            labels = numpy.array(labels_used, numpy.uint32)[kind % len(labels_used)]
            forests = self.learn(train, labels, trees)

            test = rng.normal(size=(1500, 12)).astype(numpy.float32)
            test[500:1000] = train[:500]
            for tree in range(500):  # values within one rounding of what was trained with
                test[1000 + tree] = numpy.nextafter(train[tree], rng.choice([-9, 9], 12).astype(numpy.float32))
            expected = sum(f.predictProbabilities(test).astype(float) * f.treeCount() for f in forests) / sum(trees)
            made = self.read(test)
            self.assertEqual([label for label, _ in made["classes"]], list(labels_used))
            self.assertEqual([name for _, name in made["classes"]],
                             [["cell", "edge", "ground"][label - 1] for label in labels_used])
            self.assertLess(numpy.abs(numpy.array(made["probabilities"]) - expected).max(), 1e-6)

    def test_a_project_in_a_workflow(self):
        """The step classify with a project, against ilastik's own features and vigra's forest, away from the border."""
        rng = numpy.random.default_rng(5)
        second = ndimage.gaussian_filter(rng.normal(size=(40, 60, 60)), 5) > 0
        coarse = ndimage.gaussian_filter(rng.normal(size=second.shape), 1.5)
        image = (100 + 20 * numpy.where(second, coarse / coarse.std(), rng.normal(size=second.shape))).astype(numpy.float32)
        scales = [1.6, 3.5]
        made = [ilastiks_features(image, scale) for scale in scales]
        columns = numpy.concatenate([made[s][name].reshape(image.size, -1) for name in IDS for s in range(2)], 1)
        painted = rng.random(image.size) < 0.02
        labels = (1 + second).astype(numpy.uint32).ravel()
        with h5py.File(self.path, "w") as file:
            write_features(file.create_group("FeatureSelections"), selection(**{name: scales for name in IDS}), [False] * 7)
        (forest,) = self.learn(columns[painted].astype(numpy.float32), labels[painted], (100,))
        theirs = forest.predictProbabilities(columns.astype(numpy.float32))[:, 1].reshape(image.shape)
        with h5py.File(self.folder / "i.h5", "w") as file:
            file["i"] = image
        workflow = self.workflow(f"{self.folder / 'i.h5'}:/i", [{"classify": {"model": str(self.path)}}])
        self.ok("run", workflow, "--output", self.folder / "R.h5")
        with h5py.File(self.folder / "R.h5") as file:
            inside = (slice(12, -12),) * 3
            ours, theirs = file["images/classify"][inside], theirs[inside]
        print(f"probabilities differ by {numpy.abs(ours - theirs).mean():.4f} on the average")
        self.assertLess(numpy.abs(ours - theirs).mean(), 0.03)
        self.assertGreater(((ours > 0.5) == (theirs > 0.5)).mean(), 0.97)

    def test_filters_differ_as_little_as_is_said(self):
        """The filters of the columns that are read, by scipy's formulas of kernels/filter/features.h, and ilastik's."""
        rng = numpy.random.default_rng(3)
        image = numpy.zeros((100, 100, 100))
        for _ in range(150):
            image[tuple(rng.integers(0, 100, 3))] += rng.uniform(6000, 60000)
        image = rng.poisson(ndimage.gaussian_filter(image, 2.5) + 100).astype(numpy.float32)
        worst = {name: [None] * len(SCALES) for name in IDS}
        for j, scale in enumerate(SCALES):
            chosen = [name for name in IDS if DIFFERENCE[name][j] is not None]
            self.write_by_hand(selection(**{name: [scale] for name in chosen}), [False] * 7,
                               10 if len(chosen) > 1 else 1)
            side = min(100, 2 * math.ceil(4 * scale + 4) + 30)  # what is left without the border is 30 wide, or so
            part = image[:side, :side, :side]
            theirs = ilastiks_features(part, scale)
            for f, sigma, second, output, _, _ in self.read()["columns"]:
                if output:
                    continue
                name = next(n for n in IDS if NUMBER[n] == f)
                border = math.ceil(4 * sigma + 2)
                inside = (slice(border, -border),) * 3
                ours, wanted = our_feature(part.astype(float), f, sigma, second)[inside], theirs[name][inside]
                centred = wanted - wanted.mean() if f == GAUSSIAN else wanted
                worst[name][j] = math.sqrt(((ours - wanted) ** 2).mean() / (centred ** 2).mean())
        for name in IDS:
            print(f"{name:30s}", *[" -   " if value is None else f"{value:.3f}" for value in worst[name]], flush=True)
        for name in IDS:
            for value, most in zip(worst[name], DIFFERENCE[name]):
                self.assertTrue(value is None if most is None else value < most, (name, value, most))


def ilastiks_features(image, scale):
    """OpPixelFeaturesPresmoothed without fastfilters, on one channel in space."""
    f, view = vigra.filters, vigra.taggedView(image, "zyx")
    before, filtered = (math.sqrt(scale * scale - 1), 1.0) if scale > 1 else (scale, scale)
    smooth = f.gaussianSmoothing(view, before, window_size=3.5)
    made = {
        "GaussianSmoothing": f.gaussianSmoothing(smooth, filtered, window_size=2),
        "LaplacianOfGaussian": f.laplacianOfGaussian(smooth, filtered, window_size=2),
        "GaussianGradientMagnitude": f.gaussianGradientMagnitude(smooth, filtered, window_size=2),
        "DifferenceOfGaussians": f.gaussianSmoothing(smooth, filtered, window_size=2) -
                                 f.gaussianSmoothing(smooth, 0.66 * filtered, window_size=2),
        "StructureTensorEigenvalues": f.structureTensorEigenvalues(smooth, filtered, 0.5 * filtered, window_size=2),
        "HessianOfGaussianEigenvalues": f.hessianOfGaussianEigenvalues(smooth, filtered, window_size=2),
    }
    return {name: numpy.asarray(values, float) for name, values in made.items()}


def our_feature(image, feature, sigma, second):
    """All outputs of one filter, eigenvalues along the last axis."""
    def derivative(*axes):
        return ndimage.gaussian_filter(image, sigma, [axes.count(a) for a in range(3)], mode="reflect", truncate=4)

    def eigenvalues(entry):
        made = {(i, j): entry(i, j) for i in range(3) for j in range(i, 3)}
        rows = [numpy.stack([made[min(i, j), max(i, j)] for j in range(3)], -1) for i in range(3)]
        return numpy.linalg.eigvalsh(numpy.stack(rows, -1))[..., ::-1]

    if feature == GAUSSIAN:
        return derivative()
    if feature == LAPLACIAN:
        return sum(derivative(a, a) for a in range(3))
    if feature == GRADIENT:
        return numpy.sqrt(sum(derivative(a) ** 2 for a in range(3)))
    if feature == DOG:
        return derivative() - ndimage.gaussian_filter(image, second, mode="reflect", truncate=4)
    if feature == HESSIAN:
        return eigenvalues(derivative)
    first = [derivative(a) for a in range(3)]
    return eigenvalues(lambda i, j: ndimage.gaussian_filter(first[i] * first[j], second, mode="reflect", truncate=4))


if __name__ == "__main__":
    unittest.main()
