"""Several channels and time points in one run: what comes out is what each of them gives alone, and what is decided
over the whole image is decided over all time points of a channel."""
import json
import subprocess
import unittest

import h5py
import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from skimage.measure import label

from crash import DONE, GIVEN_UP, STOPPED, CrashTest, contents, journal, tiles_of
from harness import TARKKA, real_data, tarkka

TIMES, CHANNELS, SIZE, TILE = 3, 2, (10, 36, 44), "4x16x32"
# Nothing is decided over the whole image but the numbers of objects, which are those of a time point.
GIVEN = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"threshold": {"method": "fixed", "value": 500, "keep": True}},
         "label", {"measure": {"intensity": "input"}}]


def make_image():
    """Time, channel, z, y, x: blurred noise, each volume a little brighter than the one before it."""
    rng = np.random.default_rng(11)
    image = np.stack([[gaussian_filter(rng.random(SIZE), 2) for _ in range(CHANNELS)] for _ in range(TIMES)])
    image = 1000 * (image - image.min()) / (image.max() - image.min())
    return (image + np.arange(TIMES * CHANNELS).reshape(TIMES, CHANNELS, 1, 1, 1) * 7).astype(np.uint16)


def name(time, channel):
    return f"t{time:04d}/c{channel:02d}"


class Series(CrashTest):
    def setUp(self):
        super().setUp()
        self.image = make_image()
        self.tiff = self.folder / "a.ome.tif"
        tifffile.imwrite(self.tiff, self.image, photometric="minisblack",
                         metadata={"axes": "TCZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.5})
        self.hdf5 = self.folder / "a.h5"
        with h5py.File(self.hdf5, "w") as file:
            file.create_dataset("a", data=self.image, chunks=(1, 1, 5, 18, 22))

    def write_workflow(self, steps=GIVEN, image=None, channel="all", time="all", **more):
        source = {"image": str(image or self.tiff), "channel": channel, "time": time, **more}
        return self.write("w.yaml", json.dumps({"tarkka": 1, "input": source, "steps": steps}))

    def run_it(self, output, *options, ranks=None, tile=TILE, **workflow):
        self.ok("run", self.write_workflow(**workflow), "--output", self.folder / output, "--tile", tile, *options,
                ranks=ranks, threads=1)
        return self.folder / output

    def provenance(self, path):
        return json.loads(path.with_suffix(".provenance.json").read_text())

    def assert_parts(self, path, times, channels, singles):
        """The result holds exactly the images and rows of these runs of one time point and channel each."""
        with h5py.File(path) as file:
            for group in ("images/gaussian", "images/threshold", "labels/label"):
                self.assertEqual(sorted(file[group]), [f"t{t:04d}" for t in times])
                for t in times:
                    self.assertEqual(sorted(file[group][f"t{t:04d}"]), [f"c{c:02d}" for c in channels])
                    for c in channels:
                        with h5py.File(singles[t, c]) as single:
                            part, alone = file[group][name(t, c)], single[group]
                            np.testing.assert_array_equal(part[()], alone[()])
                            self.assertEqual(dict(part.attrs)["sha256"], dict(alone.attrs)["sha256"])
                            self.assertEqual(list(part.attrs["element_size_um"]), list(alone.attrs["element_size_um"]))
            table = file["tables/measure"]
            columns = list(table.attrs["columns"])
            several = [k for k, n in (("c", channels), ("t", times)) if len(n) > 1]
            self.assertEqual(columns[:len(several)], several)
            rows = 0
            for c in channels:
                for t in times:
                    with h5py.File(singles[t, c]) as single:
                        alone = single["tables/measure"]
                        count = len(alone["label"])
                        self.assertEqual(list(alone.attrs["columns"]), columns[len(several):])
                        for column in alone:
                            np.testing.assert_array_equal(table[column][rows:rows + count], alone[column][()])
                    for column, number in (("c", c), ("t", t)):
                        if column in several:
                            self.assertEqual(set(table[column][rows:rows + count]), {number})
                    rows += count
            self.assertEqual(rows, len(table["label"]))
            self.assertGreater(rows, 1)

    def test_each_is_what_it_is_alone(self):
        singles = {(t, c): self.run_it(f"{t}{c}.h5", channel=c, time=t) for t in range(TIMES) for c in range(CHANNELS)}
        with h5py.File(singles[0, 0]) as single:
            self.assertIsInstance(single["images/gaussian"], h5py.Dataset)  # one image is called as ever
        self.assert_parts(self.run_it("all.h5"), range(TIMES), range(CHANNELS), singles)
        self.assert_parts(self.run_it("some.h5", ranks=3, channel=1, time=[0, 2]), [0, 2], [1], singles)
        self.assert_parts(self.run_it("one.h5", ranks=2, time="1-1"), [1], range(CHANNELS), singles)
        same = self.run_it("again.h5", ranks=3)
        self.assertEqual(contents(same), contents(self.folder / "all.h5"))
        everything = self.provenance(same)
        self.assertEqual(everything["outputs"], self.provenance(self.folder / "all.h5")["outputs"])
        self.assertEqual((everything["image"]["times"], len(everything["image"]["channels"])), (TIMES, CHANNELS))
        self.assertIn("t0000/c01", self.ok("info", same).stdout)
        self.ok("compare", f"{same}:/labels/label/t0002/c01", f"{singles[2, 1]}:/labels/label")

    def test_hdf5_with_other_axes(self):
        """Channels before times; the same voxels as from the OME-TIFF."""
        with h5py.File(self.hdf5, "w") as file:
            file["a"] = self.image.transpose(1, 0, 2, 3, 4)
        tiff = self.run_it("tiff.h5")
        hdf5 = self.run_it("hdf5.h5", image=self.hdf5, axes="ctzyx", ranks=2)
        with h5py.File(tiff) as one, h5py.File(hdf5) as other:
            for t in range(TIMES):
                for c in range(CHANNELS):
                    path = f"labels/label/{name(t, c)}"
                    np.testing.assert_array_equal(one[path][()], other[path][()])

    def test_decisions_are_over_all_time_points(self):
        """Background and threshold of a channel are those of all its volumes together."""
        steps = [{"background": {"percentile": "20 %", "clip": False, "keep": True}}, {"threshold": {"keep": True}}]
        path = self.run_it("r.h5", ranks=2, steps=steps)
        facts = [d for d in self.provenance(path)["decisions"] if d["facts"]]
        with h5py.File(path) as file:
            for c in range(CHANNELS):
                volume = self.image[:, c].astype(np.float32)
                level = np.sort(volume, axis=None)[int(np.ceil(0.2 * volume.size)) - 1]
                found = np.stack([file[f"images/background/{name(t, c)}"][()] for t in range(TIMES)])
                np.testing.assert_array_equal(found, volume - level)
                threshold = next(d["facts"]["threshold"] for d in facts if d["channel"] == c and d["step"] == "threshold")
                self.assertLess(abs(threshold - threshold_otsu(found, nbins=4096)), 2 * np.ptp(found) / 4096)
                mask = np.stack([file[f"images/threshold/{name(t, c)}"][()] for t in range(TIMES)])
                np.testing.assert_array_equal(mask, found > np.float32(threshold))

    def test_each_channel_has_its_own_files(self):
        """{channel} in the name of a file; every file is in the provenance."""
        for c, sigma in enumerate((0.7, 1.5)):
            psf = np.zeros((5, 9, 9), np.float32)
            psf[2, 4, 4] = 1
            tifffile.imwrite(self.folder / f"psf{c}.tif", gaussian_filter(psf, sigma))
        steps = [{"deconvolve": {"iterations": 3, "psf": {"file": "psf{channel}.tif"}}}]
        path = self.run_it("r.h5", "--halo", "2x4x4", time=1, steps=steps, ranks=2)
        inputs = [(i["role"], i["file"].rsplit("/", 1)[-1]) for i in self.provenance(path)["inputs"]]
        self.assertEqual(inputs[2:], [("psf.file", "psf0.tif"), ("psf.file", "psf1.tif")])
        with h5py.File(path) as file:
            for c in range(CHANNELS):
                steps[0]["deconvolve"]["psf"]["file"] = f"psf{c}.tif"
                alone = self.run_it(f"{c}.h5", "--halo", "2x4x4", time=1, channel=c, steps=steps)
                with h5py.File(alone) as single:
                    np.testing.assert_array_equal(file[f"images/deconvolve/{name(1, c)}"][()],
                                                  single["images/deconvolve"][()])

    def test_a_choice_is_asked_for_and_checked(self):
        def refused(word, **workflow):
            self.fails(2, word, arguments=["plan", self.write_workflow(**workflow), "--output", self.result])
        file = self.workflow(str(self.tiff), GIVEN)
        self.fails(2, "2 channels", "channel: all", arguments=["plan", file, "--output", self.result])
        refused("there is no channel 2", channel=[0, 2])
        refused("there is no time 5", time="0-5")
        refused("in ascending order", time=[1, 0])
        refused("or all", time="some")

    def test_the_schema_knows_choices(self):
        import jsonschema
        schema = json.loads(self.ok("steps", "--json").stdout)
        for choice, valid in ((0, True), ("all", True), ([0, "2-5"], True), ("0-9", True), ("some", False), ([], False),
                              (-1, False)):
            workflow = {"tarkka": 1, "input": {"image": "a.tif", "channel": choice, "time": choice}, "steps": ["threshold"]}
            is_valid = jsonschema.Draft202012Validator(schema).is_valid(workflow)
            self.assertEqual(is_valid, valid, choice)
            file = self.write("w.json", json.dumps(workflow))
            self.assertEqual(tarkka("check", file).returncode, 0 if valid else 2, choice)
            if valid:
                written = json.loads(self.ok("check", file, "--json").stdout)
                self.assertEqual(written["input"]["time"], choice)

    def test_killed_and_resumed(self):
        """Stopped politely in the first channel, killed in the second; the bytes are those of a run left alone."""
        steps = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"wait": {"median": 0}}, "threshold", "label",
                 {"measure": {"intensity": "input"}}]
        file = self.write_workflow(steps)
        arguments = ["run", file, "--output", self.result, "--tile", TILE]
        self.finish(*arguments)
        expected = contents(self.result)
        tiles = self.provenance(self.result)["plan"]["tiles"]
        stages = len(self.provenance(self.result)["plan"]["stages"])
        self.result.unlink()
        self.result.with_suffix(".provenance.json").unlink()
        self.clear_marks()
        run = self.hold(tiles // 2, *arguments, ranks=2)
        subprocess.run([TARKKA, "stop", str(self.result)], check=True, capture_output=True)
        self.let_go()
        self.assertEqual(run.wait(), STOPPED, run.text())
        done = len(tiles_of(journal(self.work)[0]))
        self.assertGreater(done, 0)
        run = self.start(*arguments, "--resume")
        self.wait_for(lambda: max((s for s, _ in tiles_of(journal(self.work)[0])), default=0) >= stages // 2, "channel 1", run)
        run.kill_all()
        self.finish(*arguments, "--resume", ranks=3, expected=DONE)
        self.assert_same(self.result, expected)

    def test_tiles_that_are_given_up_are_told_apart(self):
        """One tile of each volume fails for good: it holds zeros, and the others are what they should be."""
        steps = [{"fail": {"at": "0 px", "keep": True}}, {"gaussian": {"sigma": "1 px"}}]
        file = self.write_workflow(steps)
        text = self.finish("run", file, "--output", self.result, "--tile", TILE, ranks=2, expected=GIVEN_UP)
        self.assertIn(f"{TIMES * CHANNELS} of {TIMES * CHANNELS * 18} tiles were given up", text)
        self.assertIn("the first at z 0, y 0, x 0, time 0, channel 0", text)
        found = self.provenance(self.result)["given_up"]
        self.assertEqual(sorted((g["time"], g["channel"]) for g in found),
                         [(t, c) for t in range(TIMES) for c in range(CHANNELS)])
        with h5py.File(self.result) as result:
            for t in range(TIMES):
                for c in range(CHANNELS):
                    expected = self.image[t, c].astype(np.float32)
                    expected[:4, :16, :32] = 0
                    np.testing.assert_array_equal(result[f"images/fail/{name(t, c)}"][()], expected)

    def test_solved_on_all_ranks_together(self):
        """A step that computes on the whole image does so for each volume."""
        steps = [{"spread": {"iterations": 3, "keep": True}}, {"gaussian": {"sigma": "1 px"}}]
        found = []
        for ranks in (None, 3):
            self.finish("run", self.write_workflow(steps), "--output", self.result, "--overwrite", ranks=ranks)
            found.append(contents(self.result))
        self.assertEqual(found[0], found[1])
        for t, c in ((0, 1), (2, 0)):
            alone = self.folder / f"{t}{c}.h5"
            self.finish("run", self.write_workflow(steps, channel=c, time=t), "--output", alone)
            self.assertEqual(contents(alone)["images/spread"], found[0][f"images/spread/{name(t, c)}"])
            self.assertEqual(contents(alone)["images/gaussian"], found[0][f"images/gaussian/{name(t, c)}"])

    def test_a_real_stack(self):
        """Kidney with malaria: three channels, each with its own threshold; sums as numpy has them."""
        path = real_data("formats/tiff-3d/KidneyMalaria.tif")
        with tifffile.TiffFile(path) as file:
            self.assertEqual(file.series[0].axes, "ZCYX")
            stack = file.series[0].asarray().transpose(1, 0, 2, 3).astype(np.float64)
        steps = [{"gaussian": {"sigma": "1 px", "keep": True}}, {"threshold": {"keep": True}}, "label",
                 {"measure": {"intensity": "input"}}]
        path = self.run_it("r.h5", image=path, steps=steps, time=0, tile="16x64x64", ranks=2)
        thresholds = [d["facts"]["threshold"] for d in self.provenance(path)["decisions"] if d["step"] == "threshold"
                      and d["facts"]]
        self.assertEqual(len(set(thresholds)), 3)
        with h5py.File(path) as file:
            table = file["tables/measure"]
            for c, threshold in enumerate(thresholds):
                mask = file[f"images/threshold/{name(0, c)}"][()]
                np.testing.assert_array_equal(mask, file[f"images/gaussian/{name(0, c)}"][()] > np.float32(threshold))
                labels = file[f"labels/label/{name(0, c)}"][()]
                np.testing.assert_array_equal(labels, label(mask, connectivity=3))
                rows = table["c"][()] == c
                self.assertEqual(rows.sum(), labels.max())
                np.testing.assert_array_equal(table["area"][()][rows], np.bincount(labels.ravel())[1:])
                np.testing.assert_allclose(table["intensity_sum"][()][rows],
                                           np.bincount(labels.ravel(), stack[c].ravel())[1:], rtol=1e-12)


if __name__ == "__main__":
    unittest.main()
