"""Means and standard errors over evaluations: `python3 benches/seeds.py EVALUATION.json...`.

Each file is what `pdiff evaluate` keeps. Standard errors treat the evaluations as independent; those of
one collection share its zoo, so the zoo's and the held-out row's are over collections.
"""

import json
import math
import sys

COLUMNS = ["mean", "deviation", "overlap", "overlap_zoo", "novelty", "dispersion"]


def value(row, column):
    return row["score"][column] if column in row["score"] else row[column]


def summary(values):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    mean = sum(values) / len(values)
    if len(values) < 2:
        return f"{mean:.4f}"
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return f"{mean:.4f} ± {deviation / math.sqrt(len(values)):.4f}"


def main(paths):
    if not paths:
        sys.exit("usage: python3 benches/seeds.py EVALUATION.json...")
    rows, gaps = {}, {"mean": [], "overlap": []}
    for path in paths:
        with open(path) as file:
            evaluation = json.load(file)
        collection = evaluation["generator"]["collection"]
        named = {row["name"]: row for row in evaluation["rows"]}
        for name, row in named.items():
            own = name in ("zoo", "held-out")
            rows.setdefault(name, {})[collection if own else path] = row
        for column, gap in gaps.items():
            ours, zoo = value(named["samples"], column), value(named["zoo"], column)
            if ours is not None and zoo is not None:
                gap.append(ours - zoo)
    print("| set | " + " | ".join(COLUMNS) + " |")
    print("| --- |" + " --- |" * len(COLUMNS))
    for name, found in rows.items():
        figures = (summary([value(row, column) for row in found.values()]) for column in COLUMNS)
        print(f"| {name} | " + " | ".join(figures) + " |")
    print(f"\nSamples less zoo, over {len(paths)} evaluations:", end=" ")
    print(", ".join(f"{column} {summary(gap)}" for column, gap in gaps.items()))


main(sys.argv[1:])
