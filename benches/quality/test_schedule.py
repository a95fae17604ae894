"""Tests of who works on what: `python3 -m unittest discover -s benches/quality`."""

import os
import unittest

from rigs import CONTROLS, RIGS
from schedule import grouped, rounds, shares


class ScheduleTest(unittest.TestCase):
    def test_a_control_follows_its_rig(self):
        rigs = RIGS | CONTROLS
        work = grouped(rigs, {name: rig.control_of or name for name, rig in rigs.items()})
        self.assertIn((["i-cnn", "i-cnn-control"], RIGS["i-cnn"].zoo_seeds[0]), work)
        self.assertEqual(sorted(name for names, _ in work for name in set(names)), sorted(
            name for name, rig in rigs.items() for _ in rig.zoo_seeds))
        self.assertEqual(work[0], (["small"], RIGS["small"].zoo_seeds[0]))

    def test_a_control_alone_is_work(self):
        control = CONTROLS["i-cnn-control"]
        work = grouped({"i-cnn-control": control}, {"i-cnn-control": "i-cnn"})
        self.assertEqual(work, [(["i-cnn-control"], seed) for seed in control.zoo_seeds])

    def test_all_work_is_done_and_leftovers_share_all_processors(self):
        for count in range(8):
            for jobs in range(6):
                work = list(range(count))
                parts = rounds(work, jobs)
                self.assertEqual([it for part, _ in parts for it in part], work)
                for part, at_a_time in parts:
                    self.assertTrue(1 <= at_a_time <= max(1, jobs) and len(part) % at_a_time == 0, (count, jobs, parts))

    def test_shares_are_of_all_processors(self):
        taken = shares(1)
        self.assertEqual(set(taken.get()), os.sched_getaffinity(0))


if __name__ == "__main__":
    unittest.main()
