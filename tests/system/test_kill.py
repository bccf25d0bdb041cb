"""Killed at any moment, resumed with any number of ranks: the same bytes, and no finished tile is lost.

TARKKA_TEST_LONG=1: 60 random moments instead of 8. TARKKA_TEST_SEED chooses other moments."""
import signal
import time
import unittest

from crash import DONE, LONG, CrashTest, contents, dice, need_faults, tiles_of
from harness import QUICK, tarkka

ROUNDS = 60 if LONG else 3 if QUICK else 8
IN_FLIGHT = 3  # tiles of a rank: being computed, being sent, being written
PSF = {"model": "gaussian", "sigma": ["1.2 px", "1.5 px", "1.5 px"]}
STEPS = [{"deconvolve": {"iterations": 40, "psf": PSF, "keep": True}}, {"wait": {"median": 25}},
         {"gaussian": {"sigma": "1 px"}}, "threshold", "label", {"measure": {"intensity": "input"}}]
TILE = "8x32x32"


class Kill(CrashTest):
    def setUp(self):
        super().setUp()
        done = tarkka("phantom", "nuclei", self.folder / "p", "--size", "24x64x64", "--objects", "6", "--seed", "5")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.file = self.steps(*STEPS, image=str(self.folder / "p.ome.tif"))
        reference = self.folder / "reference.h5"
        begun = time.monotonic()
        self.finish("run", self.file, "--output", reference, "--tile", TILE, ranks=2)
        self.duration = time.monotonic() - begun
        self.reference = contents(reference)
        self.clear_marks()

    def begin(self, ranks, resume):
        return self.start("run", self.file, "--output", self.result, "--tile", TILE, *(["--resume"] if resume else []),
                          ranks=ranks)

    def kill_one(self, random, run, ranks):
        """One rank dies, or all at once with mpirun."""
        if ranks is None or random.random() < 0.5:
            run.kill_all()
            return "all"
        rank = random.randrange(ranks)
        run.send(signal.SIGKILL, rank=rank)
        self.assertIsNotNone(run.wait(60), "the others have not ended")
        self.assertTrue(run.wait_until_gone())
        return f"rank {rank}"

    def finished_tiles(self):
        """Tiles that the step `wait` has ended, as its marks prove."""
        return {name.split("-")[1] for name in self.marked("end")}

    def disturb(self, random, resume, known):
        """One attempt that is killed; returns the tiles on record afterwards."""
        ranks = random.choice([None, 1, 2, 3])
        run = self.begin(ranks, resume)
        time.sleep(random.uniform(0.1, 1.05) * self.duration)
        before = self.finished_tiles()
        who = self.kill_one(random, run, ranks)
        records = self.assert_only_work_left()
        if self.result.exists():
            return None
        tiles = tiles_of(records)
        self.assertGreaterEqual(len(tiles), len(known), "a resume has lost tiles")
        lost = len(before) - len({tile for _, tile in tiles})
        self.assertLessEqual(lost, IN_FLIGHT * (ranks or 1), f"{who} killed: finished tiles are not on record")
        return tiles

    def test_any_moment(self):
        random = dice("kill")
        for number in range(ROUNDS):
            with self.subTest(round=number):
                self.clear_marks()
                known, attempts = set(), 0
                while known is not None and attempts < random.choice([1, 1, 2, 3]):
                    known = self.disturb(random, attempts > 0, known)
                    attempts += 1
                self.finish("run", self.file, "--output", self.result, "--tile", TILE, "--resume",
                            ranks=random.choice([None, 1, 2, 3]))
                self.assert_same(self.result, self.reference)
                self.result.unlink()
                self.result.with_suffix(".provenance.json").unlink()


class Names(CrashTest):
    """Killed after each call that makes, names or removes a file (TARKKA_TEST_LONG: before each, too), and at calls that
    write."""

    def setUp(self):
        super().setUp()
        need_faults()
        self.file = self.steps({"gaussian": {"sigma": "1 px", "keep": True}}, "threshold", "label", "measure",
                               image="null:16x32x32")
        self.finish("run", self.file, "--output", self.folder / "reference.h5", "--tile", "8x32x32")
        self.reference = contents(self.folder / "reference.h5")

    def kill_at(self, faults):
        """Does a run with these faults die? It is resumed then, and its result compared."""
        run = self.start("run", self.file, "--output", self.result, "--tile", "8x32x32", faults=faults)
        code = run.wait()
        self.assertIn(code, (DONE, -signal.SIGKILL), run.text())
        self.assert_only_work_left()
        text = self.finish("run", self.file, "--output", self.result, "--tile", "8x32x32", "--resume")
        self.assert_same(self.result, self.reference)
        self.assertNotIn("damaged", text)
        self.result.unlink()
        self.result.with_suffix(".provenance.json").unlink()
        return code != DONE

    def test_every_name(self):
        for when in ("before", "after") if LONG else ("after",):
            number = 1
            while self.kill_at(f"name R. nth={number} die={when}"):
                number += 1
                self.assertLess(number, 200)
            self.assertGreater(number, 5, "the run names more files than this")
            print(f"killed {when} {number - 1} calls that name files")

    def test_writes(self):
        number, kills = 1, 0
        while self.kill_at(f"write R. nth={number} die=before"):
            number += 1 if LONG else 1 + number // 3
            kills += 1
        self.assertGreater(kills, 5)
        print(f"killed at {kills} of {number - 1} calls that write")


if __name__ == "__main__":
    unittest.main()
