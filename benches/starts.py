"""What networks are worth as starting points of training: generated ones beside first weights, soups and stored members.

    python3 benches/starts.py PDIFF ZOO FOLDER

On the populations of population.py, kept in FOLDER. Every start is trained as a member was, in one cycle of so many steps, on the
members' own images and on others that they never saw, at the rate of two that its selection images prefer; what it reaches is
judged on test images that no choice of the method saw. Writes docs/results/starts.json and the table of docs/benchmarks.md.
"""

import json
import sys
from pathlib import Path

from page import ROOT, number, put
from population import IMAGES, MEMBERS, NETWORK, SKIP, TAUGHT, Population, words

TASKS = {"MNIST, the members' own": "mnist", "Fashion-MNIST": "fashion"}
# Steps of a whole training of a member, and of shorter ones.
WHOLE = 4000
STEPS = (0, 10, 40, 100, 400, 1000, WHOLE)
RATES = (3e-3, 1e-2)
NETWORKS = 20
# Rows of an evaluation, as the page calls them; the first is what others are measured by.
STARTS = {
    "random start": "first weights",
    "stored members": "stored members",
    "soup of 2": "soups of 2",
    "soup of 16": "soups of 16",
    "Gaussian, all comp.": "Gaussian",
    "samples": "samples",
    "distilled samples": "distilled samples",
    "taught samples": "taught samples",
}
GENERATED = ("samples", *TAUGHT)
# A target is what first weights reach by a whole training, less this.
BELOW = 0.01


def judged(population, images, steps, rate):
    """Rows by name of every start after so many steps."""
    said = population.folder / f"starts-{images}-{steps}-{rate}.json"
    network = NETWORK.replace("mnist", images).split()
    score = [population.zoo, "score", *network, "--images", IMAGES, "--skip", SKIP, "{files}"]
    polish = [population.zoo, "polish", *network, "--steps", steps, "--peak", rate, "{files}"]
    options = ["-n", NETWORKS, "--polish", words(polish), *population.taught(NETWORKS)]
    for name in STARTS:
        if name not in GENERATED:
            options += ["--baseline", name]
    return population.judged(population.lesson("nothing"), said, options, score)


def results(name, task, population):
    """Rows of one population and task."""
    reached = {start: {} for start in STARTS}
    for steps in STEPS:
        by_rate = [judged(population, TASKS[task], steps, rate) for rate in (RATES if steps else RATES[:1])]
        for start in STARTS:
            best = max((rows[start] for rows in by_rate), key=lambda row: row["selection"]["mean"])
            reached[start][steps] = {column: best[column] for column in ("mean", "standard_error", "overlap")}
    target = reached["random start"][WHOLE]["mean"] - BELOW
    for start, means in reached.items():
        enough = [steps for steps, row in means.items() if row["mean"] >= target]
        yield {
            "population": name,
            "task": task,
            "start": start,
            "target": target,
            "steps_to_target": min(enough, default=None),
            "steps": means,
        }


def table(rows):
    yield f"| members | task | start | {' | '.join(f'{steps:,}' for steps in STEPS)} | to target |"
    yield "| --- | --- | --- |" + " ---: |" * (len(STEPS) + 1)
    for row in rows:
        bold = "**" if row["start"] in GENERATED else ""
        cells = [number(row["steps"][steps]["mean"], 4) for steps in STEPS]
        enough = row["steps_to_target"]
        cells.append("-" if enough is None else f"{enough:,}")
        yield f"| {row['population']} | {row['task']} | {bold}{STARTS[row['start']]}{bold} | {' | '.join(cells)} |"


def main():
    pdiff, zoo, folder = (Path(argument).absolute() for argument in sys.argv[1:])
    rows = []
    for name, members in MEMBERS.items():
        population = Population(pdiff, zoo, folder / name, NETWORK, members)
        for task in TASKS:
            for row in results(name, task, population):
                print(row, flush=True)
                rows.append(row)
    (ROOT / "results/starts.json").write_text(json.dumps(rows, indent=1) + "\n")
    put("starts", table(rows))


main()
