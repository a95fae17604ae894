"""What a sampler, its steps and half precision cost in quality: on the demo and on a population of branched runs.

    python3 benches/settings.py PDIFF ZOO DEMO FOLDER

DEMO is the folder of `make demo`, FOLDER where the population and its generators are kept: members of a seed that no
other figure is of, aligned, and a generator that was taught without data what they do. Writes docs/results/settings.json
and the table of docs/benchmarks.md.
"""

import json
import sys
import tempfile
from pathlib import Path

from page import FIGURES, ROOT, number, put
from population import MEMBERS, NETWORK, Population, run

# Of the default engine: the sampler and its steps, and calls of the flow's network that they cost.
SETTINGS = [
    *((("ab2", steps), steps) for steps in (1, 2, 3, 4, 6, 8, 16)),
    *((("heun", steps), 2 * steps) for steps in (4, 8, 50)),
]
DEFAULT = ("ab2", 8)
NAMES = {"ab2": "AB2", "heun": "Heun"}
HALF = ["--precision", "f16"]
# The half of the test images that choices of the method were compared by: the other half is for the benchmark.
IMAGES = 4000
SAMPLES = 200


class Bench:
    def __init__(self, pdiff, zoo, demo, folder):
        self.pdiff, self.zoo, self.demo, self.folder = pdiff, zoo, demo, folder
        self.population = Population(pdiff, zoo, folder, NETWORK, MEMBERS["branched"])

    def generators(self):
        """Of each collection: what it is called, generators in float32 and float16, and how networks are scored."""
        half = self.folder / "demo-f16.pdiff"
        if not half.exists():
            run([self.pdiff, "train", self.demo / "zoo", *HALF, "-o", half])
        yield "demo", self.demo / "net.pdiff", half, [self.zoo, "score", "{files}"]
        taught = ["--distill", "--spec", self.population.probe / "spec.json"]
        full = self.population.generator("population", taught)
        half = self.population.generator("aligned-f16", taught + HALF)
        yield "branched runs, distilled", full, half, self.population.score(IMAGES)

    def judged(self, generator, score, setting):
        """A row of figures of a generator's samples by a sampler and its steps."""
        sampler, steps = setting
        with tempfile.NamedTemporaryFile(suffix=".json") as said:
            command = [self.pdiff, "evaluate", generator, "-n", SAMPLES, "--sampler", sampler, "--steps", steps]
            command += ["--baseline", "soup of all", "--score", " ".join(map(str, score)), "-o", said.name]
            run(command)
            rows = {row["name"]: row for row in json.loads(Path(said.name).read_text())["rows"]}
        row = rows["samples"]
        figures = row["score"] | row
        return {column: figures[column] for column, _ in FIGURES}


def table(results):
    yield "| collection | sampler, steps | calls | mean | overlap | w/zoo | novel | disp |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in results:
        cells = [number(row[column], digits) for column, digits in FIGURES if column != "standard_error"]
        name = f"{NAMES[row['sampler']]} {row['steps']}" + (", float16" if row["precision"] == "f16" else "")
        bold = "**" if (row["sampler"], row["steps"], row["precision"]) == (*DEFAULT, "f32") else ""
        yield f"| {row['collection']} | {bold}{name}{bold} | {row['calls']} | {' | '.join(cells)} |"


def main():
    pdiff, zoo, demo, folder = (Path(argument).absolute() for argument in sys.argv[1:])
    bench, results = Bench(pdiff, zoo, demo, folder), []
    for collection, full, half, score in bench.generators():
        cases = [(full, "f32", *case) for case in SETTINGS]
        # As the default's neighbour.
        at = [setting for setting, _ in SETTINGS].index(DEFAULT) + 1
        cases.insert(at, (half, "f16", DEFAULT, DEFAULT[1]))
        for generator, precision, (sampler, steps), calls in cases:
            about = {"collection": collection, "precision": precision, "sampler": sampler, "steps": steps, "calls": calls}
            results.append(about | bench.judged(generator, score, (sampler, steps)))
            print(results[-1], flush=True)
    (ROOT / "results/settings.json").write_text(json.dumps(results, indent=1) + "\n")
    put("settings", table(results))


main()
