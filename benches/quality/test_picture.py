"""Tests of what is drawn: `python3 -m unittest discover -s benches/quality`."""

import json
import re
import unittest
from pathlib import Path

import picture

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = json.loads((DOCS / "results/quality.json").read_text())


class PictureTest(unittest.TestCase):
    def test_the_pictures_have_what_was_measured(self):
        for name, rig in RESULTS.items():
            drawn = (DOCS / f"images/quality-{name}.svg").read_text()
            self.assertEqual(picture.picture(rig["budgets"]["weights only"]), drawn)
            height = float(re.search(r'viewBox="0 0 \d+ (\d+)"', drawn)[1])
            self.assertLess(max(float(y) for y in re.findall(r' y="([\d.]+)"', drawn)), height)

    def test_ticks_are_round_and_hold_the_values(self):
        for values, marks, digits in [
            ([0.0, 1.33], [0.0, 0.5, 1.0, 1.5], 1),
            ([0.9411, 0.9771], [0.94, 0.95, 0.96, 0.97, 0.98], 2),
            ([3.0], [3.0, 4.0], 0),
            ([0.0, 30.0], [0.0, 10.0, 20.0, 30.0], 0),
            ([0.94, 0.97], [0.94, 0.95, 0.96, 0.97], 2),
        ]:
            found, places = picture.ticks(values)
            self.assertEqual(([round(mark, 9) for mark in found], places), (marks, digits))

    def test_numbers_of_dots_keep_apart(self):
        taken = [(100.0, 100.0), (103.0, 100.0)]
        first, second = (picture.label(number, dot, taken) for number, dot in (("1", (100.0, 100.0)), ("2", (103.0, 100.0))))
        self.assertNotEqual(first, second)
        self.assertGreaterEqual(abs(taken[2][0] - taken[3][0]) + abs(taken[2][1] - taken[3][1]), 9)


if __name__ == "__main__":
    unittest.main()
