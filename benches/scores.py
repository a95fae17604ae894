"""What a budget of scores is worth: samples and every baseline as they come, and each as the best of several candidates.

    python3 benches/scores.py PDIFF ZOO FOLDER

On the populations of population.py, kept in FOLDER: candidates are compared by training images, and what is chosen is judged on
test images that no choice of the method saw, beside held-out members. Writes docs/results/scores.json and the table of
docs/benchmarks.md.
"""

import json
import sys
from pathlib import Path

from page import FIGURES, ROOT, number, put
from population import MEMBERS, NETWORK, Population

SAMPLES, CANDIDATES = 40, 8


def results(name, population):
    """Rows of one population."""
    generator = population.lesson("nothing")
    sets = {}
    for candidates in (1, CANDIDATES):
        options = ["-n", SAMPLES, "--candidates", candidates, *population.taught(SAMPLES * candidates)]
        rows = population.judged(generator, population.folder / f"best-of-{candidates}.json", options)
        sets[candidates] = {called(row): row for row in rows.values()}
    for row, plain in sets[1].items():
        # A set that leaves no choice is no row of a budget.
        if chosen := sets[CANDIDATES].get(row):
            if row not in ("zoo", "held-out") and chosen["budget"] == "weights":
                continue
            figures = {column: chosen[column] for column, _ in FIGURES}
            yield {"population": name, "set": row, "as_they_come": plain["mean"], **figures}


def called(row):
    """A row's name, without what was chosen for it."""
    for choice in ("noise", "greedy soup"):
        if row["name"].startswith(choice):
            return choice
    return row["name"]


def table(rows):
    yield f"| members | set | one by one | best of {CANDIDATES} | ± | overlap | w/zoo | novel | disp |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in rows:
        bold = "**" if row["set"].endswith("samples") else ""
        cells = [number(row[column], digits) for column, digits in FIGURES]
        plain = number(row["as_they_come"], dict(FIGURES)["mean"])
        if row["set"] in ("zoo", "held-out"):
            plain, cells[0] = cells[0], "-"
        yield f"| {row['population']} | {bold}{row['set']}{bold} | {plain} | {' | '.join(cells)} |"


def main():
    pdiff, zoo, folder = (Path(argument).absolute() for argument in sys.argv[1:])
    rows = []
    for name, members in MEMBERS.items():
        for row in results(name, Population(pdiff, zoo, folder / name, NETWORK, members)):
            print(row, flush=True)
            rows.append(row)
    (ROOT / "results/scores.json").write_text(json.dumps(rows, indent=1) + "\n")
    put("scores", table(rows))


main()
