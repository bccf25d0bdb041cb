"""How ranks talk to each other, under a real launcher: comm_check.c does it, here it is started and judged."""
import os
import subprocess
import unittest

from harness import MPIRUN, QUICK, ROOT, launch

CHECK = os.environ.get("TARKKA_COMM_CHECK", str(ROOT / "build/release/tests/comm_check"))
RANKS = (1, 3) if QUICK else (1, 2, 3, 5)
# Open MPI without any of its one-sided transports, as Debian's is between machines over TCP.
NO_WINDOW = {"OMPI_MCA_osc": "^sm,rdma,pt2pt,ucx,portals4,monitoring"}


class Comm(unittest.TestCase):
    def check(self, name, ranks, exit_code=0, **options):
        done = launch([CHECK, name], ranks=ranks, timeout=300, **options)
        self.assertEqual(done.returncode, exit_code, f"{name} on {ranks} ranks: {done.stderr}")
        return done

    def test_each_number_is_claimed_once(self):
        for ranks in RANKS:
            self.check("claims", ranks)

    def test_messages_keep_their_order_on_each_channel(self):
        for ranks in RANKS:
            self.check("order", ranks)

    def test_large_messages_arrive_whole(self):
        for ranks in RANKS:
            self.check("large", ranks)

    def test_all_exchange_bytes_with_all(self):
        for ranks in RANKS if QUICK else (*RANKS, 18):  # 18: more than are served at a time
            self.check("exchange", ranks)

    def test_a_message_that_nobody_takes_is_given_up(self):
        for ranks in RANKS:
            self.check("give-up", ranks)

    def test_one_ranks_error_is_that_of_all(self):
        for ranks in RANKS:
            done = self.check("error", ranks, exit_code=4)
            self.assertEqual(done.stderr.count("tarkka: the last rank's error"), 1, done.stderr)

    def test_an_abort_ends_all_with_its_exit_code(self):
        for ranks in RANKS:  # without the abort they would sleep, wake and end well
            self.check("abort", ranks, exit_code=75)
            self.check("abort-in-mpi", ranks, exit_code=75)

    def test_a_crash_of_the_mpi_library_at_the_very_end_spoils_nothing(self):
        for ranks in RANKS:
            self.check("crash-at-the-end", ranks)

    def test_without_a_window_there_is_no_counter(self):
        version = subprocess.run([MPIRUN, "--version"], capture_output=True, text=True).stdout
        if "Open MPI" not in version and "OpenRTE" not in version:
            self.skipTest("only Open MPI can be told to refuse windows")
        for ranks in (1, 3):
            self.check("no-counter", ranks, environment=NO_WINDOW)
            self.check("claims", ranks, exit_code=1, environment=NO_WINDOW)

    def test_the_program_tells_when_a_check_fails(self):
        self.check("no-counter", 2, exit_code=1)
        self.check("no-such-check", 2, exit_code=2)


if __name__ == "__main__":
    unittest.main()
