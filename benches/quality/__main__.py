"""The honest benchmark: `python3 benches/quality [RIG...]`, as `make bench-quality` runs it.

Makes what is missing of the named rigs (all: of every rig), prints each one's tables with the best trivial baseline
beside the samples, and keeps docs/results/quality.json, docs/benchmarks.md and its pictures up to date.
"""

import argparse
import json
import subprocess
from pathlib import Path

import figures
import page
from cells import ROOT, Maker, fetch, write
from rigs import RIGS, SHORT

RESULTS = ROOT / "docs/results/quality.json"
PAGE = ROOT / "docs/benchmarks.md"
IMAGES = ROOT / "docs/images"


def main():
    parser = argparse.ArgumentParser(prog="bench-quality", description=__doc__.splitlines()[0])
    parser.add_argument("rigs", nargs="*", metavar="RIG", help=f"{', '.join(RIGS)}; none for all")
    parser.add_argument("--short", action="store_true", help="every stage at reduced size; leaves docs alone")
    parser.add_argument("--programs", type=Path, default=ROOT / "target/release", help="where pdiff and zoo are")
    parser.add_argument("--pytorch", default="python3", help="a Python with PyTorch, for the published flow")
    parser.add_argument("--build", type=Path, default=ROOT / "build/quality", help="where cells are kept")
    options = parser.parse_args()
    rigs = SHORT if options.short else RIGS
    if unknown := [name for name in options.rigs if name not in rigs]:
        parser.error(f"no rig {unknown[0]}; there are {', '.join(rigs)}")
    pytorch = found(options.pytorch)
    for name in options.rigs or rigs:
        rig = rigs[name]
        fetch(rig)
        if rig.published and not pytorch:
            print(f"{name}: no published flow, as {options.pytorch} has no PyTorch; run make pytorch", flush=True)
        maker = Maker(options.programs.absolute(), pytorch, (options.build / name).absolute(), rig)
        made = maker.make(lambda cell: print(f"{name}: {cell}", flush=True))
        result = {
            "about": rig.about,
            "kind": rig.kind,
            "budgets": figures.budgets(made),
            "cost": figures.cost(made),
        }
        for budget, rows in result["budgets"].items():
            print(f"\n{name}, {budget}\n")
            print(page.table(rows))
            print("\n".join(figures.verdicts(rows)), flush=True)
        print(page.price(result["cost"]), flush=True)
        if not options.short:
            publish(name, result)


def found(python):
    """The interpreter, where it has PyTorch."""
    try:
        ended = subprocess.run([python, "-c", "import torch"], capture_output=True)
    except OSError:
        return None
    return python if ended.returncode == 0 else None


def publish(name, result):
    """Puts one rig's figures beside those of the others."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[name] = result
    results = {name: known[name] for name in RIGS if name in known}
    section = page.inserted(PAGE.read_text(), page.markdown(results, "images"))
    write(RESULTS, results)
    (IMAGES / f"quality-{name}.svg").write_text(page.picture(result["budgets"]["weights only"]))
    PAGE.write_text(section)


main()
