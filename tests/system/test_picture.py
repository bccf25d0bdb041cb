"""tarkka picture, and run --picture: what the PNG shows, read with somebody else's library."""
import json
import unittest

import h5py
import numpy
from scipy import ndimage
from skimage import io

from harness import SystemTest

OUTLINE = (255, 178, 0)
STEPS = [{"gaussian": {"sigma": "1 px", "keep": True}}, "threshold", "label"]


def outlines(labels):
    """Pixels beside another object or the background; the edge of the image is none."""
    differs = numpy.zeros(labels.shape, bool)
    for axis in (0, 1):
        ahead = numpy.diff(labels, axis=axis) != 0
        pad = [(0, 0), (0, 0)]
        pad[axis] = (0, 1)
        differs |= numpy.pad(ahead, pad)
        pad[axis] = (1, 0)
        differs |= numpy.pad(ahead, pad)
    return differs & (labels > 0)


class Picture(SystemTest):
    def setUp(self):
        super().setUp()
        self.ok("phantom", "nuclei", self.folder / "p", "--size", "24x64x80", "--objects", "6", "--seed", "5")
        self.image, self.result = self.folder / "p.ome.tif", self.folder / "R.h5"
        self.file = self.workflow("p.ome.tif", STEPS)

    def check(self, picture):
        """The input's brightest voxels in grey, and the outlines of the labels that are seen from the top."""
        pixels = io.imread(picture)
        scale = pixels.shape[1] // 80
        self.assertEqual(pixels.shape, (64 * scale, 80 * scale, 3))
        with h5py.File(self.result) as file:
            labels = file["labels/label"][...]
        first = (labels > 0).argmax(0)
        top = numpy.take_along_axis(labels, first[None], 0)[0].repeat(scale, 0).repeat(scale, 1)
        drawn = (pixels == OUTLINE).all(2)
        self.assertGreater(drawn.sum(), 100)
        self.assertTrue((outlines(top) <= drawn).all(), "an outline is not drawn")
        near = ndimage.binary_dilation(outlines(top), iterations=scale)
        self.assertTrue((drawn <= near).all(), "something else is drawn")
        grey = pixels[~drawn]
        self.assertTrue((grey[:, 0] == grey[:, 1]).all() and (grey[:, 0] == grey[:, 2]).all())
        self.assertGreater(grey.max(), 200)

    def test_beside_the_result_of_a_run(self):
        for ranks in (None, 2):
            self.ok("run", self.file, "--output", self.result, "--picture", "--overwrite", ranks=ranks)
            self.check(self.folder / "R.png")

    def test_of_a_result(self):
        self.ok("run", self.file, "--output", self.result)
        self.ok("picture", self.result)
        self.check(self.folder / "R.png")
        self.fails(1, "--overwrite", arguments=("picture", self.result))
        self.ok("picture", self.result, "--overwrite")

    def test_when_the_image_is_gone(self):
        self.ok("run", self.file, "--output", self.result)
        self.image.unlink()
        self.ok("picture", self.result)
        self.check(self.folder / "R.png")

    def test_when_there_is_no_image_at_all(self):
        steps = [{"gaussian": {"sigma": "1 px", "keep": False}}, {"threshold": {"keep": False}}, "label"]
        self.ok("run", self.workflow("p.ome.tif", steps), "--output", self.result)
        self.image.unlink()
        self.fails(3, "R.h5", "--image", arguments=("picture", self.result))

    def test_a_frame_of_a_series(self):
        frames = numpy.random.default_rng(1).integers(0, 50, (3, 40, 48)).astype(numpy.uint16)
        frames[2, 5:30, 8:30] += 500
        with h5py.File(self.folder / "s.h5", "w") as file:
            file["raw"] = frames
        source = {"image": "s.h5:/raw", "axes": "tyx", "time": 2}
        file = self.write("s.yaml", json.dumps({"tarkka": 1, "input": source, "steps": STEPS}))
        self.ok("run", file, "--output", self.result, "--picture")
        pixels = io.imread(self.folder / "R.png")
        self.assertEqual(pixels.shape[0] * 48, pixels.shape[1] * 40)
        self.assertGreater((pixels == OUTLINE).all(2).sum(), 80)

    def test_several_images(self):
        output = self.folder / "two.png"
        self.ok("picture", output, "--image", self.image, "--image", self.image, "--scale", "1")
        pixels = io.imread(output)
        self.assertEqual(pixels.shape[:2], (64, 2 * 80 + 4))
        self.assertTrue((pixels[:, :80] == pixels[:, 84:]).all())

    def test_refusals(self):
        self.fails(2, "--image", arguments=("picture", self.folder / "x.png"))
        self.fails(3, "missing.tif", arguments=("picture", self.folder / "x.png", "--image", "missing.tif"))
        self.fails(2, "--time", arguments=("picture", self.folder / "x.png", "--image", self.image, "--time", "7"))
        self.assertFalse((self.folder / "x.png").exists())


if __name__ == "__main__":
    unittest.main()
