"""What a generator learns by each basis of a behaviour loss: scores, snapshots, examples, or nothing.

    python3 benches/lessons.py PDIFF ZOO SCORED FOLDER

On branched and on independent members of population.py, kept in FOLDER. SCORED is the program of
scored.rs: scores and examples are of training images, and networks are judged on test images that no choice of the method
saw, beside held-out members and the best of several candidates by score. Writes docs/results/lessons.json and the table
of docs/benchmarks.md.
"""

import json
import sys
from pathlib import Path

from page import FIGURES, ROOT, number, put
from population import IMAGES, LESSONS, MEMBERS, NETWORK, SKIP, Population, once, run, words

# Training images of a score in training, and steps of 64 scores.
SCORED, STEPS = 1000, 2000
SAMPLES, CANDIDATES = 100, 8
NAMES = {"nothing": "nothing", "scores": "scores", **LESSONS}


def taught(population, scored, lesson):
    """The generator of a lesson."""
    if lesson != "scores":
        return population.lesson(lesson)
    file = population.folder / "scores.pdiff"
    if not file.exists():
        examples, spec = population.probe / "probe.safetensors", population.probe / "spec.json"
        run([scored, population.aligned, examples, spec, SCORED, STEPS, file])
    return file


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
        options += ["-n", SAMPLES]
        rows = population.judged(generator, generator.with_suffix(".json"), options)
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
    for name, members in MEMBERS.items():
        for row in results(name, Population(pdiff, zoo, folder / name, NETWORK, members), scored):
            print(row, flush=True)
            rows.append(row)
    (ROOT / "results/lessons.json").write_text(json.dumps(rows, indent=1) + "\n")
    put("lessons", table(rows))


main()
