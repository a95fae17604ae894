"""Where the time of sampling goes, by perf: `python3 benches/sampling_profile.py PROGRAM`, as `make profile` runs it.

PROGRAM is the bench `profile`. Prints a table, and keeps it in docs/results/profile.json and docs/benchmarks.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs/benchmarks.md", ROOT / "docs/results/profile.json"
BEGIN, END = "<!-- profile: begin, written by make profile -->", "<!-- profile: end -->"
# Parameters and networks of a request.
CASES = [(2_048, 1), (2_048, 1024), (26_506, 1024), (262_144, 32)]
# What a function's share, with all that it calls, is called; the first is what the shares are of.
PARTS = {
    "sampling": r"generator::sample::Generator::sample$",
    "noise": r"LatentSampler::noise$",
    "flow": r"denoiser::flow::Flow::velocity$",
    "decoding": r"codec::components::Components::decode$",
    "units' scale and shift": r"normalize::Normalizer::backward_part$",
    "products of matrices": r"product::times_again$",
    "packing the decoder": r"product::pack$",
}


def shares(program, parameters, networks):
    """{part: share of sampling}, from samples of the processor's clock with their callers."""
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/perf.data"
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "--call-graph", "dwarf,16384", "-o", data]
        run([*record, program, str(parameters), str(networks)])
        report = ["perf", "report", "-i", data, "--stdio", "--children", "-g", "none", "--no-inline", "-F", "overhead_children,sym"]
        lines = run(report).splitlines()
    found = {}
    for line in lines:
        if matched := re.match(r"\s*([\d.]+)%\s+\[\.\]\s+(\S.*?)\s*$", line):
            for part, pattern in PARTS.items():
                if re.search(pattern, matched[2]):
                    found[part] = max(found.get(part, 0.0), float(matched[1]))
    whole = found.pop("sampling")
    return {part: round(found.get(part, 0.0) / whole, 3) for part in list(PARTS)[1:]}


def run(command):
    # The time of one thread is asked for, and libtorch trains the generator.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"profile: {command[0]} failed: {(ended.stderr.strip() or 'it said nothing').splitlines()[-1]}")
    return ended.stdout


def table(rows):
    lines = [
        f"| parameters | networks at a time | {' | '.join(list(PARTS)[1:])} |",
        "| ---: | ---: |" + " ---: |" * (len(PARTS) - 1),
    ]
    for row in rows:
        cells = " | ".join(f"{share:.0%}" for share in row["shares"].values())
        lines.append(f"| {row['parameters']:,} | {row['networks']:,} | {cells} |")
    return "\n".join(lines) + "\n"


def main():
    rows = [{"parameters": p, "networks": n, "shares": shares(sys.argv[1], p, n)} for p, n in CASES]
    print(table(rows))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{table(rows)}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
