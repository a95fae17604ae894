"""What both engines make of the published code's default job: quality and time, side by side.

    python3 benches/engines.py PDIFF ZOO FOLDER

300 consecutive steps of one run, of which the last convolution of an MNIST CNN is generated, 2,320 parameters. The paper
engine is trained and samples as published, 500 + 1,000 steps and 1,000 calls a network; the default engine by its
defaults. Both are judged beside the trivial baselines on test images that no choice of the method saw. Writes
docs/results/engines.json and the table of docs/benchmarks.md.
"""

import json
import shutil
import sys
import time
from pathlib import Path

from page import FIGURES, ROOT, number, put
from population import once, run

NETWORK = "--net cnn --data mnist".split()
RUN = "--snapshots 300 --seed 41".split()
LAYER = ["--select", "conv3.*"]
SCORE = "--skip 4000 --images 4000".split()
SAMPLES = 50
ENGINES = {"default engine": [], "paper engine": ["--engine", "paper"]}


def judged(pdiff, zoo, collection, name, told, folder):
    """Seconds of training and of sampling, and an evaluation's rows by name."""
    generator, said = (folder / f"{name.split()[0]}.{kind}" for kind in ("pdiff", "json"))
    networks = folder / "networks"
    shutil.rmtree(networks, ignore_errors=True)
    begun = time.monotonic()
    run([pdiff, "train", collection, *told, "-o", generator])
    trained = time.monotonic()
    run([pdiff, "sample", generator, "-n", SAMPLES, "-o", networks])
    sampled = time.monotonic()
    score = " ".join(map(str, [zoo, "score", *NETWORK, *SCORE, "{files}"]))
    # The samples are judged as files, as a thousand calls for each are not made twice.
    command = [pdiff, "evaluate", generator, "-n", 2, "--baseline-count", SAMPLES, "--score", score, "-o", said]
    run([*command, "--beside", f"{name}={networks}"])
    rows = {row["name"]: row | row["score"] for row in json.loads(said.read_text())["rows"]}
    return {"train_seconds": trained - begun, "sample_seconds": sampled - trained}, rows


def figures(name, row):
    return {"set": name} | {column: row.get(column) for column, _ in FIGURES}


def results(pdiff, zoo, folder):
    files, collection = folder / "run", folder / "collection"
    once(files, lambda part: run([zoo, "train", *NETWORK, *RUN, "-o", part]))
    once(collection, lambda part: run([pdiff, "collect", part, *sorted(files.glob("*.safetensors")), *LAYER]))
    for name, told in ENGINES.items():
        seconds, rows = judged(pdiff, zoo, collection, name, told, folder)
        yield figures(name, rows[name]) | seconds
    for name, row in rows.items():
        if name not in ("samples", *ENGINES):
            yield figures(name, row)


def table(rows):
    yield "| set | mean | ± | overlap | w/zoo | novel | disp | training, s | networks, s |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in rows:
        cells = [number(row[column], digits) for column, digits in FIGURES]
        cells += [number(row.get(f"{stage}_seconds"), 1) for stage in ("train", "sample")]
        bold = "**" if row["set"] in ENGINES else ""
        yield f"| {bold}{row['set']}{bold} | {' | '.join(cells)} |"


def main():
    pdiff, zoo, folder = (Path(argument).absolute() for argument in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in results(pdiff, zoo, folder):
        print(row, flush=True)
        rows.append(row)
    (ROOT / "results/engines.json").write_text(json.dumps(rows, indent=1) + "\n")
    put("engines", table(rows))


main()
