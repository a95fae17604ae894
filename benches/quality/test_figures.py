"""What the benchmark says of hand-made rows: `python3 -m unittest discover -s benches/quality`."""

import copy
import math
import unittest

import figures
import goals
import page


def row(name, mean, selection=None, error=0.001, **other):
    def score(value):
        return {"mean": value, "median": value, "deviation": 0.01, "min": value, "standard_error": error}

    return {
        "name": name,
        "score": score(mean),
        "selection": score(mean if selection is None else selection),
        "best_of": mean,
        "overlap": 0.5,
        "overlap_zoo": 0.5,
        "novelty": 1.0,
        "dispersion": 1.0,
        "displacement": 1.0,
        "novel_and_performing": [0.0] * 4,
        "ensemble": {"accuracy": mean, "negative_log_likelihood": 1 - mean, "calibration_error": 0.0},
        **other,
    }


ROWS = [
    row("zoo", 0.90),
    row("held-out", 0.90),
    row("samples", 0.80),
    row("taught samples", 0.88),
    row("stored members", 0.90, novelty=0.0),
    row("greedy soup", 0.91, error=None, novelty=0.3),
    row("Gaussian, SWAG", 0.7),
    row("soup of 2", 0.85),
    row("snapshots of one run", 0.895),
    row("Gaussian, all comp.", 0.81),
]


def table(*changes, zoos=3):
    """Of as many zoos by one generator, each a little better than the one before."""
    cells = []
    for zoo in range(zoos):
        rows = copy.deepcopy(ROWS) + list(copy.deepcopy(changes))
        rows = list({it["name"]: it for it in rows}.values())
        for it in rows:
            it["score"]["mean"] += 0.01 * zoo
        cells.append((zoo, 1, {"rows": rows}))
    return figures.table(cells)


class Numbers(unittest.TestCase):
    def test_a_zero_before_the_point_is_left_out_and_no_other(self):
        self.assertEqual(figures.number(0.951, 2), ".95")
        self.assertEqual(figures.number(10.049, 2), "10.05")
        self.assertEqual(figures.number(-0.5, 1, "+"), "-.5")
        self.assertEqual(figures.number(-0.00001, 4, "+"), "+.0000")
        self.assertEqual(figures.with_error(1.0, 0.001, 3), "1.000 ± .001")
        self.assertEqual(figures.with_error(0.25, None, 2, "+"), "+.25")


class Verdicts(unittest.TestCase):
    def test_a_sure_winner_goes_before_a_lucky_network(self):
        # The soup's only network scores higher, with an error of a network's deviation.
        lucky = row("greedy soup", 0.901, error=None, novelty=0.3)
        said = figures.verdicts(table(row("taught samples", 0.89), lucky, zoos=1))
        self.assertTrue(any("stored members" in it and "the baseline wins" in it for it in said), said)

    def test_collapse_scatter_and_place_stand_beside_the_score(self):
        for change, word in [
            ({"dispersion": 0.9}, "collapsed"),
            ({"dispersion": 1.1, "displacement": 1.1}, "scattered"),
            ({"displacement": 1.2}, "centre of their own"),
            ({"overlap": 0.6}, "less diverse"),
            ({"novelty": 0.4}, "copies"),
        ]:
            said = " ".join(figures.doubts("taught samples", table(row("taught samples", 0.95, **change))))
            self.assertIn(word, said)
        self.assertEqual(figures.doubts("taught samples", table()), [])

    def test_the_control_is_no_baseline_and_has_a_sentence(self):
        rows = table(row("taught on noise", 0.95))
        self.assertNotIn(figures.CONTROL, figures.baselines(rows))
        self.assertIn("the control is above", figures.controlled(rows))

    def test_few_cells_show_no_error(self):
        self.assertIsNone(figures.figure([1.0, 1.0])[1])
        mean = table(zoos=2)["taught samples"]["mean"]
        self.assertGreaterEqual(mean[1], 0.001 / 2**0.5)

    def test_each_row_has_its_best_rate_on_selection(self):
        low = {"seed": 1, "rows": [row("a", 0.5, selection=0.6), row("noise 1.6", 0.1, selection=0.2)]}
        high = {"seed": 1, "rows": [row("a", 0.9, selection=0.5), row("noise 0.8", 0.3, selection=0.4)]}
        best = figures.of_best_rates([low, high])["rows"]
        self.assertEqual([it["score"]["mean"] for it in best], [0.5, 0.3])


class Cost(unittest.TestCase):
    def made(self, seconds):
        cell = {
            "seconds": {"zoo": 110, "training": 5, "training_bytes": 7, "sampling": 1, "samples": 10, **seconds},
            "generator": {"snapshots": 100},
            "rows": [{"name": "held-out", "score": {"n": 10}}],
            "alignment": 3,
            "bytes": {"zoo": 100, "generator": 2},
        }
        return [(1, 1, "weights only", cell)]

    def test_a_generator_is_cheaper_once_it_is_paid_for(self):
        untaught = math.ceil((100 + 3 + 5) / 0.9)
        cost = figures.cost(self.made({}), False)
        self.assertEqual((cost["cheaper_from"], cost["room"]), ({"untaught": untaught}, 102))
        cost = figures.cost(self.made({"teaching": 50, "distilling": 40}), True)
        prices = {"untaught": untaught, "distilled": math.ceil(143 / 0.9), "taught by data": math.ceil(153 / 0.9)}
        self.assertEqual(cost["cheaper_from"], prices)
        said = page.price(cost)
        self.assertIn("together as much as 102 stored networks", said)
        self.assertTrue(said.endswith("untaught 120, distilled 159, taught by data 170."), said)
        never = figures.cost(self.made({"sampling": 100}), False)
        self.assertIn("never cheaper", page.price(never))

    def test_what_was_not_timed_has_no_price(self):
        with self.assertRaises(KeyError):
            figures.cost(self.made({"distilling": 40}), True)


class Goals(unittest.TestCase):
    def judged(self, kind, rows, rivals=(), polished=None):
        budgets = {"weights only": rows, "polish 1%": rows, "polish 10%": polished or rows}
        rig = {"kind": kind, "budgets": budgets, "rivals": list(rivals)}
        return goals.goals("rig", rig)

    def reached(self, *rig, **polished):
        return {goal: reached for _, goal, _, reached in self.judged(*rig, **polished)}

    def test_differences_are_those_within_each_zoo(self):
        # Zoos differ by .01, samples from held-out members by .1 in each: no error of zoos hides that.
        reached = self.reached("T", table())
        self.assertFalse(reached["accuracy of held-out, within 2 errors"])
        self.assertTrue(reached["overlap of held-out, within 2 errors"])

    def test_few_snapshots_are_judged_by_test_images(self):
        # The soup is above by test images and below by selection.
        for soup, selection, expected in [(0.85, 0.1, False), (0.75, 0.9, True)]:
            rows = table(row("soup of 2", soup, selection=selection))
            (*_, reached), = goals.goals("small", {"kind": "T", "budgets": {"weights only": rows}, "rivals": []})
            self.assertEqual(reached, expected)

    def test_a_stored_member_may_stay_as_it_is(self):
        polished = table(row("stored members", 0.85), row("taught samples", 0.89))
        reached = self.reached("I", table(), polished=polished)
        self.assertFalse(reached["accuracy of a stored member polished as long, or not at all, at distance .9"])

    def test_ten_together_after_ten_percent_are_no_copies_on_seeds(self):
        goal = "ten together no worse than stored members polished as long, or not at all"
        far = f"{goal}, at distance .9"
        for kind, said, distance, expected in [("I", far, 0.95, True), ("I", far, 0.85, False), ("S", goal, 0.85, True)]:
            reached = self.reached(kind, table(row("taught samples", 0.95, novelty=distance)))
            self.assertEqual(reached[said], expected)

    def test_rivals_that_are_missing_and_collapse_are_misses(self):
        reached = self.reached("I", table(row("taught samples", 0.95, dispersion=0.9)), [figures.PUBLISHED])
        self.assertFalse(reached["published flow beaten by 3 errors"])
        self.assertFalse(reached["dispersion .95 to 1.05"])
        self.assertTrue(reached["best baseline beaten by 3 errors"])

    def test_what_saw_no_data_is_judged_apart_from_what_did(self):
        judged = self.judged("I", table(row("distilled samples", 0.2)))
        said = {(budget, goal): reached for budget, goal, _, reached in judged}
        beaten = "best baseline beaten by 3 errors"
        self.assertFalse(said["weights only, untaught", beaten])
        self.assertFalse(said["weights only, distilled", beaten])
        self.assertTrue(said["data in training, then weights only", beaten])
        self.assertNotIn("polish 1%, untaught", {budget for budget, _ in said})

    def test_a_control_is_judged_by_itself(self):
        for kind in ("S", "I"):
            for mean, expected in [(0.85, True), (0.8799, False)]:
                judged = self.judged(kind, table(row("taught on noise", mean)), [figures.CONTROL])
                self.assertEqual([reached for *_, reached in judged], [expected])

    def test_one_run_is_a_goal_and_no_baseline(self):
        goal = "ten together better than ten snapshots of one run"
        rows = table(row("taught samples", 0.89), row("distilled samples", 0.899))
        self.assertNotIn(figures.ONE_RUN, figures.baselines(rows))
        said = {(budget, what): reached for budget, what, _, reached in self.judged("I", rows)}
        self.assertTrue(said["weights only, distilled", goal])
        self.assertFalse(said["data in training, then weights only", goal])

    def test_polish_is_judged_by_what_was_seen_before(self):
        judged = self.judged("S", table(row("distilled samples", 0.2)))
        said = {(budget, goal): reached for budget, goal, _, reached in judged}
        goal = "ten together within .3 pp"
        self.assertFalse(said["polish 1%, distilled", goal])
        self.assertFalse(said["data in training, then polish 1%", goal])
        near = table(row("distilled samples", 0.2), row("taught samples", 0.899))
        said = {(budget, goal): reached for budget, goal, _, reached in self.judged("S", near)}
        self.assertFalse(said["polish 1%, distilled", goal])
        self.assertTrue(said["data in training, then polish 1%", goal])

    def test_a_rig_without_polish_is_judged_by_weights_alone(self):
        for kind in ("S", "I"):
            rig = {"kind": kind, "budgets": {"weights only": table(row("distilled samples", 0.899))}, "rivals": []}
            said = {budget for budget, *_ in goals.goals("rig", rig)}
            self.assertIn("weights only, distilled", said)
            self.assertFalse([budget for budget in said if "polish" in budget])

    def test_where_no_baseline_is_as_far_there_is_none_to_beat(self):
        near = [row(it["name"], 0.9, novelty=0.1) for it in ROWS if it["name"] in figures.baselines(table())]
        judged = self.judged("I", table(*near))
        said = {goal: (text, reached) for _, goal, text, reached in judged}
        self.assertEqual(said["best baseline beaten by 3 errors"], ("there is none as far from the zoo", True))


if __name__ == "__main__":
    unittest.main()
