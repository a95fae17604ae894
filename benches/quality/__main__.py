"""The honest benchmark: `python3 benches/quality [RIG...]`, as `make bench-quality` runs it.

Makes what is missing of the named rigs (all: of every rig), prints each one's tables with the best trivial baseline
beside the samples, and keeps docs/results/quality.json, docs/benchmarks.md and its pictures up to date.
"""

import argparse
import fcntl
import json
import os
import platform
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import figures
import page
from cells import ROOT, Maker, write
from picture import picture
from rigs import CONTROLS, RIGS, SEEDS, SHORT
from schedule import grouped, rounds, shares, take

RESULTS = ROOT / "docs/results/quality.json"
PAGE = ROOT / "docs/benchmarks.md"
IMAGES = ROOT / "docs/images"
KNOWN = RIGS | CONTROLS | SEEDS


def main():
    parser = argparse.ArgumentParser(prog="bench-quality", description=__doc__.splitlines()[0])
    parser.add_argument("rigs", nargs="*", metavar="RIG", help=f"{', '.join(KNOWN)}; none: all but {' and '.join(SEEDS)}")
    parser.add_argument("--short", action="store_true", help="every stage at reduced size; leaves docs alone")
    parser.add_argument("--programs", type=Path, default=ROOT / "target/release", help="where pdiff and zoo are")
    parser.add_argument("--pytorch", default="python3", help="a Python with PyTorch, for the published flow and controls")
    parser.add_argument("--jobs", type=int, default=1, help="zoos that are worked on at a time")
    parser.add_argument("--build", type=Path, default=ROOT / "build/quality", help="where cells are kept")
    options = parser.parse_args()
    rigs, usual = (SHORT, SHORT) if options.short else (KNOWN, RIGS | CONTROLS)
    if unknown := [name for name in options.rigs if name not in rigs]:
        parser.error(f"no rig {unknown[0]}; there are {', '.join(rigs)}")
    if missing := [name for name in ("pdiff", "zoo") if not (options.programs / name).exists()]:
        parser.error(f"{options.programs}: no {missing[0]} there; run make build, or name the folder with --programs")
    pytorch = found(options.pytorch)
    asked = options.rigs or list(usual)
    without = [name for name in asked if rigs[name].control_of and not pytorch]
    if without and options.rigs:
        parser.error(f"{without[0]}: {options.pytorch} has no PyTorch; run make pytorch")
    for name in without:
        asked.remove(name)
        print(f"{name}: left out, as {options.pytorch} has no PyTorch; run make pytorch", flush=True)
    _lock = locked(options.build)
    makers = {name: maker(name, rigs[name], pytorch, options) for name in asked}
    work = grouped({name: rigs[name] for name in asked}, {name: maker.folder for name, maker in makers.items()})
    made, begin = {name: [] for name in makers}, time.monotonic()
    for zoos, jobs in rounds(work, options.jobs):
        with ThreadPoolExecutor(jobs, initializer=take, initargs=[shares(jobs)]) as pool:
            begun = [pool.submit(cells_of, makers, names, seed) for names, seed in zoos]
            try:
                # A rig's tables come when its last zoo is done.
                for done in as_completed(begun):
                    for name, cells in done.result().items():
                        made[name] += cells
                        if len({seed for seed, *_ in made[name]}) == len(rigs[name].zoo_seeds):
                            report(name, rigs[name], made[name], not options.short)
                            print(f"{name}: done after {(time.monotonic() - begin) / 60:.1f} min", flush=True)
            finally:
                pool.shutdown(cancel_futures=True)


def cells_of(makers, names, zoo_seed):
    """{rig: cells} of the rigs that share a zoo."""
    return {name: makers[name].make(zoo_seed) for name in names}


def locked(build):
    """A lock on the folder of cells, as long as the file is open: two runs would take each other's halves away."""
    build.mkdir(parents=True, exist_ok=True)
    lock = open(build / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"bench-quality: {build}: another run is at work there; wait for it, or name another --build") from None
    return lock


def maker(name, rig, pytorch, options):
    """What makes a rig's cells, with what all its zoos need."""
    if rig.published and not pytorch:
        print(f"{name}: no published flow, as {options.pytorch} has no PyTorch; run make pytorch", flush=True)
    folder = options.build / (rig.control_of or name)
    maker = Maker(options.programs.absolute(), pytorch, folder.absolute(), rig)
    maker.prepare()
    return maker


def report(name, rig, cells, is_kept):
    """Prints a rig's tables and, where asked, keeps them in the documents."""
    result = {
        "about": rig.about,
        "kind": rig.kind,
        "zoo_seeds": rig.zoo_seeds,
        "generator_seeds": rig.generator_seeds,
        "images": rig.images,
        "machine": machine(),
        "budgets": figures.budgets(cells),
        "cost": None if rig.control_of else figures.cost(cells, rig.is_taught),
        "rivals": [figures.CONTROL] if rig.control_of else [figures.PUBLISHED] * bool(rig.published),
        "gates": {generator: failed for *_, cell in cells for generator, failed in cell["gates"].items()},
    }
    for budget, rows in result["budgets"].items():
        print(f"\n{name}, {budget}\n")
        print(page.table(rows))
        print("\n".join(figures.verdicts(rows)), flush=True)
    print(*page.closing(result), sep="\n", flush=True)
    if is_kept:
        publish(name, result)
    else:
        print(page.goals_of({name: result}))
        # Drawn all the same, so that what cannot be drawn fails here too.
        picture(result["budgets"]["weights only"])


def machine():
    """The processors that figures are made on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores"


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
    results = {name: known[name] for name in KNOWN if name in known}
    section = page.inserted(PAGE.read_text(), page.markdown(results))
    write(RESULTS, results)
    (IMAGES / f"quality-{name}.svg").write_text(picture(result["budgets"]["weights only"]))
    PAGE.write_text(section)


if __name__ == "__main__":
    main()
