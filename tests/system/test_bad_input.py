"""Every kind of bad input: one clear message, the right exit code, within seconds, and nothing half-written."""
import os
import shutil
import subprocess
import time
import unittest
import zlib

import h5py
import numpy as np
import tifffile

from harness import MPI_ENVIRONMENT, QUICK, TARKKA, SystemTest

SECONDS = 60
SMOOTH = [{"gaussian": {"sigma": "1 px"}}]


class BadInput(SystemTest):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        self.image = self.folder / "image.tif"
        tifffile.imwrite(self.image, rng.integers(0, 1000, (20, 40, 50), dtype=np.uint16))
        self.output = self.folder / "result.h5"
        self.refused_on_three = False

    def refused(self, exit_code, *words, image=None, steps=None, text=None, options=(), environment=None, output=None):
        """A run is refused the same way on one rank alone, and on three (in slow builds: the first of each test)."""
        file = self.write("w.yaml", text) if text else self.workflow(str(image or self.image), steps or SMOOTH, "w.yaml")
        output = self.output if output is None else output
        before = set(os.listdir(self.folder))
        ranks_to_try = (None,) if QUICK and self.refused_on_three else (None, 3)
        self.refused_on_three = True
        for ranks in ranks_to_try:
            self.fails(exit_code, *words, arguments=("run", file, "--output", output, *options), ranks=ranks,
                       timeout=SECONDS, environment=environment)
            self.assertEqual(set(os.listdir(self.folder)), before, "something was left behind")

    def test_missing_file(self):
        self.refused(3, "no-such.tif", image=self.folder / "no-such.tif")

    def test_truncated_tiff(self):
        data = self.image.read_bytes()
        for keep in (4, 100, len(data) // 2, len(data) - 100):
            short = self.folder / "short.tif"
            short.write_bytes(data[:keep])
            self.refused(3, "short.tif", image=short)

    def test_tiff_that_lies_about_its_size(self):
        with tifffile.TiffFile(self.image) as tif:
            tag = tif.pages[0].tags["ImageLength"]
            offset, kind = tag.valueoffset, tag.dtype
        data = bytearray(self.image.read_bytes())
        size = 2 if kind == 3 else 4
        for lie in (60000, 0):
            data[offset:offset + size] = lie.to_bytes(size, "little")
            (self.folder / "lie.tif").write_bytes(data)
            self.refused(3, "lie.tif", image=self.folder / "lie.tif")

    def test_psf_larger_than_the_image(self):
        tifffile.imwrite(self.folder / "psf.tif", np.ones((71, 141, 141), np.float32))
        self.refused(2, "w.yaml:1:", "psf.file", "larger", steps=[{"deconvolve": {"psf": {"file": str(self.folder / "psf.tif")}}}])

    def test_nan_voxels(self):
        image = np.ones((20, 40, 50), np.float32)
        image[3, 5, 7] = np.nan
        tifffile.imwrite(self.folder / "nan.tif", image)
        self.refused(3, "nan.tif", "z 3, y 5, x 7", "NaN", image=self.folder / "nan.tif", options=("--tile", "whole"))

    def test_a_constant_image_has_no_otsu_threshold(self):
        tifffile.imwrite(self.folder / "flat.tif", np.full((20, 40, 50), 7, np.uint8))
        self.refused(1, "threshold", image=self.folder / "flat.tif", steps=[{"threshold": {}}])

    def test_workflow_mistakes(self):
        head = f"tarkka: 1\ninput: {self.image}\nsteps:\n"
        for steps, place, words in (
                ("  - gausian: {sigma: 1 px}\n", ":4:5:", "did you mean 'gaussian'"),
                ("  - gaussian: {sgima: 1 px}\n", ":4:16:", "did you mean 'sigma'"),
                ("  - gaussian: {sigma: 1e9 px}\n", ":4:23:", "out of range"),
                ("  - gaussian: {sigma: 1 kg}\n", ":4:23:", "unit"),
                ("  - gaussian: {sigma: 1 px\n", ":5:1:", "YAML syntax")):
            self.refused(2, "w.yaml" + place, words, text=head + steps)
        self.refused(2, "--set", "sigma", options=("--set", "gaussian.sigma=much"))
        self.refused(2, "micrometres", "px", steps=[{"gaussian": {"sigma": "1 um"}}])
        self.refused(2, "did you mean --overwrite", options=("--overwite",))

    def test_existing_output(self):
        self.output.write_text("precious")
        self.refused(1, "exists already", "--overwrite")
        self.assertEqual(self.output.read_text(), "precious")

    def test_output_that_is_an_input(self):
        before = self.image.read_bytes()
        self.refused(1, "is an input of this run (image)", output=self.image, options=("--overwrite",))
        self.assertEqual(self.image.read_bytes(), before)

    def test_auxiliary_inputs_and_the_provenance_beside_are_not_replaced(self):
        with h5py.File(self.folder / "psf.h5", "w") as f:
            f["p"] = np.ones((3, 3, 3), np.float32)
        steps = [{"deconvolve": {"psf": {"file": f"{self.folder}/psf.h5:/p"}}}]
        self.refused(1, "input of this run", steps=steps, output=self.folder / "psf.h5", options=("--overwrite",))
        (self.folder / "result.provenance.json").write_text("precious")
        self.refused(1, "result.provenance.json", "exists already")
        self.refused(2, "no output", output="")
        self.refused(1, "no ordinary file", output="/dev/null", options=("--overwrite",))

    def test_a_name_that_json_cannot_hold(self):
        strange = os.path.join(os.fsencode(self.folder), b"caf\xe9.tif")
        with open(strange, "wb") as f:
            f.write(self.image.read_bytes())
        self.refused(2, "not UTF-8", options=("--input", os.fsdecode(strange)))

    def test_an_input_that_changes_while_it_is_read(self):
        rng = np.random.default_rng(5)
        for change in ("truncate", "replace"):
            name = self.folder / f"{change}.h5"
            with h5py.File(name, "w") as f:
                f["a"] = rng.random((64, 256, 256), dtype=np.float32)
            workflow = self.workflow(str(name), [{"gaussian": {"sigma": "2 px"}}, {"threshold": {}}], "w.yaml")
            before = set(os.listdir(self.folder))
            running = subprocess.Popen([TARKKA, "run", workflow, "--output", self.output, "--tile", "8x32x32"],
                                       stderr=subprocess.PIPE, text=True, env={**os.environ, **MPI_ENVIRONMENT})
            while not (self.folder / "result.h5.work").exists() and running.poll() is None:
                time.sleep(0.005)
            if change == "truncate":
                os.truncate(name, name.stat().st_size // 2)
            else:
                shutil.copy(name, self.folder / "other.h5")
                os.replace(self.folder / "other.h5", name)
            message = running.communicate(timeout=SECONDS)[1]
            self.assertEqual(running.returncode, 3, message)
            self.assertIn(f"{change}.h5", message)
            self.assertEqual(set(os.listdir(self.folder)), before)

    def test_a_folder_that_an_interrupted_run_has_left(self):
        work = self.folder / "result.h5.work"
        work.mkdir()
        record = '{"job":{"workflow":"another"},"part":1}'
        (work / "journal").write_text(f"{zlib.crc32(record.encode()):08x} {record}\n")
        (work / "gaussian.raw").write_text("theirs")
        (work / "notes.txt").write_text("mine")
        self.refused(1, "interrupted", "--resume", "--overwrite")
        self.refused(2, "cannot be resumed", "workflow was", options=("--resume",))
        self.assertEqual((work / "gaussian.raw").read_text(), "theirs")
        self.ok("run", self.folder / "w.yaml", "--output", self.output, "--overwrite")
        self.assertEqual(os.listdir(work), ["notes.txt"], "only tarkka's own files may go")

    def test_unwritable_folder(self):
        locked = self.folder / "locked"
        locked.mkdir()
        # root may write anywhere, so the folder is one that cannot be written by anybody
        target = "/proc/result.h5" if os.geteuid() == 0 else locked / "result.h5"
        locked.chmod(0o555)
        self.refused(1, str(target), output=target)
        self.refused(1, "no-such-folder", output=self.folder / "no-such-folder" / "result.h5")

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("mounting a small tmpfs needs root")
        rng = np.random.default_rng(2)
        tifffile.imwrite(self.folder / "noise.tif", rng.random((64, 128, 128), dtype=np.float32))
        small = self.folder / "small"
        for size in ("100k", "1m", "2m"):
            small.mkdir()
            if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", small]).returncode != 0:
                shutil.rmtree(small)
                self.skipTest("a tmpfs cannot be mounted here")
            try:
                for steps in (SMOOTH, SMOOTH + [{"threshold": {}}]):
                    self.refused(1, "space", image=self.folder / "noise.tif", output=small / "r.h5", steps=steps,
                                 options=("--tile", "whole"))
                    self.assertEqual(os.listdir(small), [])
            finally:
                subprocess.run(["umount", small], check=True)
                small.rmdir()

    def test_memory_that_nothing_fits(self):
        self.refused(2, "nothing fits", "--memory", options=("--memory", "1MiB"))

    def test_tile_that_cannot_be_cut_into_chunks(self):
        tifffile.imwrite(self.folder / "long.tif", np.zeros((1, 10, 2000), np.uint8))
        self.refused(2, "divide", image=self.folder / "long.tif", options=("--tile", "1x10x1009"))

    def test_several_channels_need_a_choice(self):
        tifffile.imwrite(self.folder / "c.ome.tif", np.zeros((2, 4, 20, 20), np.uint8), metadata={"axes": "CZYX"})
        self.refused(2, "2 channels", image=self.folder / "c.ome.tif")

    def test_hdf5_dataset_that_is_not_there(self):
        with h5py.File(self.folder / "d.h5", "w") as f:
            f["raw"] = np.zeros((4, 5, 6), np.uint8)
        self.refused(3, "d.h5", image=f"{self.folder}/d.h5:/rwa")


if __name__ == "__main__":
    unittest.main()
