"""Puts PyTorch's figures beside libpdiff's, as a table and into the JSON of `cargo bench --bench sampling`.

    python3 benches/beside_pytorch.py docs/results/sampling.json PYTHON LIBRARY FIRST GENERATOR

PYTHON is one with torch 2.11, or none: then PyTorch's columns are left out, visibly. LIBRARY is the small
libpdiff.so, FIRST the program of first.c, GENERATOR what it opens.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 11
HERE = Path(__file__).resolve().parent
# Steps of the published code's default run and the networks that it then samples one by one.
AUTOENCODER, DIFFUSION, NETWORKS = 500, 1000, 200


def output(command):
    """The JSON of a program's last line; what it says of its failures is shown."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def started(command):
    """Milliseconds of whole processes, the fastest, median and slowest, and their last line."""
    times, line = [], ""
    for _ in range(RUNS):
        begin = time.perf_counter()
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        times.append(1e3 * (time.perf_counter() - begin))
    times.sort()
    return {"median_ms": times[RUNS // 2], "fastest_ms": times[0], "slowest_ms": times[-1]}, line


def size(folder):
    return sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file() and not f.is_symlink())


def sampling(result, python):
    flow = result["flow"]
    settings = {name: flow[name] for name in ("width", "hidden", "blocks")}
    settings["calls"] = result["steps"]
    settings["compile"] = shutil.which("c++") is not None
    if not settings["compile"]:
        print("compiled PyTorch: skipped, as it needs a C++ compiler")
    for limit in result["limits"]:
        rows = [row for row in result["rows"] if row["threads"] == limit["threads"]]
        settings["cases"] = [[row[n] for n in ("parameters", "latents", "batch")] for row in rows]
        threads = str(limit["threads"])
        found = output([python, str(HERE / "pytorch_sampling.py"), threads, json.dumps(settings)])
        for row, theirs in zip(rows, found["rows"]):
            row["pytorch"] = theirs
    result["torch"] = found["torch"]


def published(python):
    """Seconds of the published code's job at 2,048 parameters, from its steps' medians."""
    seconds = output([python, str(HERE / "paper_step.py"), "5"])
    step = {name: statistics.median(values) for name, values in seconds.items()}
    whole = AUTOENCODER * step["autoencoder"] + DIFFUSION * step["diffusion"] + NETWORKS * step["sample"]
    return {"one_network_seconds": step["sample"], "whole_job_seconds": whole, "from_steps": step}


def table(result):
    head = ["parameters", "batch", "threads", "libpdiff ms", "PyTorch", "compiled", "limit ms"]
    print(" ".join(f"{name:>12}" for name in head))
    for row in result["rows"]:
        theirs = row.get("pytorch", {})
        cells = [row["parameters"], row["batch"], row["threads"], row["median_ms"]]
        cells += [theirs.get(name, {}).get("median_ms", "-") for name in ("batched", "compiled")]
        cells.append(row["limit_ms"])
        print(" ".join(f"{cell:>12.3f}" if isinstance(cell, float) else f"{cell:>12}" for cell in cells))


def main():
    file, python, library, first, generator = sys.argv[1:]
    result = json.loads(Path(file).read_text())
    begun, line = started([first, generator, "1"])
    opened = json.loads(line)
    result["first_network"] = {
        "parameters": opened["parameters"],
        "libpdiff": dict(begun, peak_kb=opened["resident_kb"], disk_bytes=size_of(library)),
    }
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode:
        print(f"PyTorch: skipped, as {python} has no torch; `make pytorch` puts one into build/")
    else:
        sampling(result, python)
        result["published"] = published(python)
        weights = str(Path(first).with_name("pytorch_first.pt"))
        shape = [str(opened["parameters"]), str(result["rows"][0]["latents"])]
        begun, line = started([python, str(HERE / "pytorch_first.py"), weights, *shape])
        os.remove(weights)
        where = subprocess.run([python, "-c", "import torch; print(torch.__path__[0])"], capture_output=True, text=True)
        torch = Path(where.stdout.strip())
        disk = size(torch) + sum(size(torch.parent / name) for name in ("nvidia", "triton"))
        result["first_network"]["pytorch"] = dict(begun, peak_kb=int(line), disk_bytes=disk)
        print(json.dumps(result["published"]))
    table(result)
    print(json.dumps(result["first_network"]))
    Path(file).write_text(json.dumps(result, indent=2) + "\n")


def size_of(path):
    return os.stat(path).st_size


main()
