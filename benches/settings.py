"""What a sampler, its steps and half precision cost in quality: on the demo and on a population of branched runs.

    python3 benches/settings.py PDIFF ZOO DEMO FOLDER

DEMO is the folder of `make demo`, FOLDER where the population and its generators are kept: members of a seed that no
other figure is of, aligned, and a generator that was taught without data what they do. Writes docs/results/settings.json
and the table of docs/benchmarks.md.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from page import ROOT, put

# Of the default engine: the sampler and its steps, and calls of the flow's network that they cost.
SETTINGS = [
    *((("ab2", steps), steps) for steps in (1, 2, 3, 4, 6, 8, 16)),
    *((("heun", steps), 2 * steps) for steps in (4, 8, 50)),
]
DEFAULT = ("ab2", 8)
NAMES = {"ab2": "AB2", "heun": "Heun"}
NETWORK = "--net mlp --data mnist --pool 2".split()
MEMBERS = "--members 333 --branch 400 --steps 4000 --seed 31".split()
# The half of the test images that choices of the method were compared by: the other half is for the benchmark.
IMAGES = 4000
SAMPLES = 200
COLUMNS = [("mean", 4), ("overlap", 3), ("overlap_zoo", 3), ("novelty", 2), ("dispersion", 2)]


class Bench:
    def __init__(self, pdiff, zoo, demo, folder):
        self.pdiff, self.zoo, self.demo, self.folder = pdiff, zoo, demo, folder

    def generators(self):
        """Of each collection: what it is called, generators in float32 and float16, and how networks are scored."""
        yield "demo", self.demo / "net.pdiff", self.half(self.demo / "zoo", []), [self.zoo, "score", "{files}"]
        zoo, probe = self.population()
        taught = ["--distill", "--spec", probe / "spec.json"]
        full = self.folder / "population.pdiff"
        if not full.exists():
            run([self.pdiff, "train", zoo, *taught, "-o", full])
        score = [self.zoo, "score", *NETWORK, "--images", IMAGES, "{files}"]
        yield "branched runs, distilled", full, self.half(zoo, taught), score

    def half(self, zoo, taught):
        half = self.folder / f"{zoo.parent.name}-f16.pdiff"
        if not half.exists():
            run([self.pdiff, "train", zoo, *taught, "--precision", "f16", "-o", half])
        return half

    def population(self):
        """The aligned collection, and the probe's folder with the spec of its networks."""
        made, aligned, probe = (self.folder / name for name in ("members", "aligned", "probe"))
        once(made, lambda part: run([self.zoo, "population", *NETWORK, *MEMBERS, "--collect", part]))
        once(aligned, lambda part: part.mkdir() or run([self.pdiff, "align", made, "-o", part / "zoo"]))
        once(probe, lambda part: run([self.zoo, "export", *NETWORK, "-o", part]))
        return aligned / "zoo", probe

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
        return {column: figures[column] for column, _ in COLUMNS} | {"standard_error": row["score"]["standard_error"]}


def once(folder, make):
    """Has a folder made where it is not there; what is half made is thrown away."""
    if not folder.exists():
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        make(part)
        part.rename(folder)


def run(command):
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"settings: {' '.join(map(str, command[:2]))} failed: {ended.stderr.strip()}")


def table(results):
    yield "| collection | sampler, steps | calls | mean | overlap | w/zoo | novel | disp |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in results:
        cells = [f"{row[column]:.{digits}f}".replace("0.", ".", row[column] < 1) for column, digits in COLUMNS]
        name = f"{NAMES[row['sampler']]} {row['steps']}" + (", float16" if row["precision"] == "f16" else "")
        bold = "**" if (row["sampler"], row["steps"], row["precision"]) == (*DEFAULT, "f32") else ""
        yield f"| {row['collection']} | {bold}{name}{bold} | {row['calls']} | {' | '.join(cells)} |"


def main():
    pdiff, zoo, demo, folder = (Path(argument).absolute() for argument in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
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
