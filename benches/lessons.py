"""What a generator learns by each basis of a behaviour loss: scores, snapshots, examples, or nothing.

    python3 benches/lessons.py PDIFF ZOO SCORED FOLDER

On branched and on independent members of the seed of settings.py, which no choice was made on, kept in FOLDER. SCORED is the program of
scored.rs: scores and examples are of training images, and networks are judged on test images that no choice of the method
saw, beside held-out members and the best of several candidates by score. Writes docs/results/lessons.json and the table
of docs/benchmarks.md.
"""

import json
import sys
from pathlib import Path

from page import FIGURES, ROOT, number, put
from population import Population, once, run

NETWORK = "--net mlp --data mnist --pool 2"
POPULATIONS = {
    "branched": "--members 333 --branch 400 --steps 4000 --seed 31",
    "independent": "--members 333 --steps 4000 --seed 31",
}
# Test images from 4,001 on, and half as many of selection, by which candidates are chosen.
IMAGES, SKIP = 4000, 4000
# Training images of a score in training, and steps of 64 scores.
SCORED, STEPS = 1000, 2000
SAMPLES, CANDIDATES = 100, 8
NAMES = {"nothing": "nothing", "scores": "scores", "snapshots": "snapshots (`--distill`)", "examples": "examples (`--probe`)"}


def taught(population, scored, lesson):
    """The generator of a lesson."""
    examples, spec = population.probe / "probe.safetensors", population.probe / "spec.json"
    if lesson == "scores":
        file = population.folder / "scores.pdiff"
        if not file.exists():
            run([scored, population.aligned, examples, spec, SCORED, STEPS, file])
        return file
    told = {"nothing": [], "snapshots": ["--distill", "--spec", spec], "examples": ["--probe", examples, "--spec", spec]}
    return population.generator(lesson, told[lesson])


def words(command):
    return " ".join(map(str, command))


def judged(population, generator, options):
    """Rows of an evaluation by name."""
    said = generator.with_suffix(".json")
    command = [population.pdiff, "evaluate", generator, "-n", SAMPLES, *options, "-o", said]
    run([*command, "--score", words(population.score(IMAGES, SKIP))])
    return {row["name"]: row | row["score"] for row in json.loads(said.read_text())["rows"]}


def chosen(population, generator):
    """A folder of networks, each the best of candidates by score."""
    folder = generator.with_name("chosen")
    command = [population.pdiff, "sample", generator, "-n", SAMPLES, "--candidates", CANDIDATES]
    command += ["--score", words(population.score(IMAGES, SKIP))]
    once(folder, lambda part: run([*command, "-o", part]))
    return folder


def results(name, population, scored):
    for lesson in NAMES:
        generator = taught(population, scored, lesson)
        options = ["--baseline", "soup of all"]
        if lesson == "nothing":
            best = f"best of {CANDIDATES}"
            options += ["--beside", f"{best}={chosen(population, generator)}"]
        rows = judged(population, generator, options)
        if lesson == "nothing":
            yield figures(name, "held-out members", rows["held-out"])
        yield figures(name, lesson, rows["samples"])
        if lesson == "nothing":
            yield figures(name, f"{best} by score", rows[best])


def figures(population, lesson, row):
    return {"population": population, "lesson": lesson} | {column: row[column] for column, _ in FIGURES}


def table(rows):
    yield "| members | taught by | mean | ± | overlap | w/zoo | novel | disp |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in rows:
        lesson = NAMES.get(row["lesson"], row["lesson"])
        cells = [number(row[column], digits) for column, digits in FIGURES]
        yield f"| {row['population']} | {lesson} | {' | '.join(cells)} |"


def main():
    pdiff, zoo, scored, folder = (Path(argument).absolute() for argument in sys.argv[1:])
    rows = []
    for name, members in POPULATIONS.items():
        for row in results(name, Population(pdiff, zoo, folder / name, NETWORK, members), scored):
            print(row, flush=True)
            rows.append(row)
    (ROOT / "results/lessons.json").write_text(json.dumps(rows, indent=1) + "\n")
    put("lessons", table(rows))


main()
