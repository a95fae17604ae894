"""Tests of what is written: `python3 -m unittest discover -s benches/quality`."""

import json
import unittest
from pathlib import Path

import page
from figures import CONTROL, OURS, shown
from goals import KINDS, goals

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = json.loads((DOCS / "results/quality.json").read_text())


class PageTest(unittest.TestCase):
    def test_the_page_has_what_was_measured(self):
        text = (DOCS / "benchmarks.md").read_text()
        self.assertEqual(page.inserted(text, page.markdown(RESULTS)), text)

    def test_the_summary_has_ours_and_no_rival_that_is_nearer(self):
        said, rig = {}, None
        for line in page.summary(RESULTS).splitlines()[2:]:
            name, networks, accuracy, *others, rival = [cell.strip() for cell in line.split("|")[1:-1]]
            rig = name.strip("*") or rig
            said[rig, networks] = accuracy, others[-1], rival
        for name, rig in RESULTS.items():
            rows = rig["budgets"]["weights only"]
            if CONTROL in rows:
                self.assertNotIn((name, "new members"), said)
                continue
            members = rows["held-out"]
            self.assertEqual(said[name, "new members"], (shown(members, "mean"), shown(members, "ens"), ""))
            for mine in OURS:
                self.assertEqual((name, mine) in said, mine in rows)
                if mine not in rows:
                    continue
                accuracy, ten, rival = said[name, mine]
                self.assertEqual((accuracy, ten), (shown(rows[mine], "mean"), shown(rows[mine], "ens")))
                if rival != "none":
                    nearest = min(rows[mine]["novel"][0], 0.9 * members["novel"][0])
                    self.assertGreaterEqual(rows[rival.split(", ", 1)[1]]["novel"][0], nearest)

    def test_every_goal_is_counted_once(self):
        for name, rig in RESULTS.items():
            for budget, *_ in goals(name, rig):
                self.assertEqual(sum(is_of(budget) for is_of in KINDS.values()), 1, budget)


if __name__ == "__main__":
    unittest.main()
