"""Whether training in bfloat16, or by a fused AdamW, is faster: steps of the paper engine's networks in PyTorch, in turn.

    python3 benches/candidates.py FOLDER [DEVICE] [ROUNDS] [REPEATS]

Prints medians of a step over those of PyTorch as it is, and writes them to FOLDER/candidates-DEVICE.json. Needs torch 2.11.
"""

import json
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

CANDIDATES = {"as it is": [], "bfloat16": ["bf16"], "fused AdamW": ["fused"], "both": ["bf16", "fused"]}


def processor():
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def main():
    folder, device, rounds, repeats = (sys.argv[1:] + ["cpu", "3", "6"][len(sys.argv) - 2 :])[:4]
    step = [sys.executable, str(Path(__file__).with_name("paper_step.py")), repeats]
    seconds = {name: {} for name in CANDIDATES}
    for _ in range(int(rounds)):
        for name, flags in CANDIDATES.items():
            said = subprocess.run([*step, *flags, device], check=True, stdout=subprocess.PIPE, text=True).stdout
            for phase, values in json.loads(said.splitlines()[-1]).items():
                seconds[name].setdefault(phase, []).extend(values)
    median = {name: {phase: statistics.median(of) for phase, of in found.items()} for name, found in seconds.items()}
    plain = median["as it is"]
    for name, found in median.items():
        print(f"{name:<12}", *(f"{phase} {s:.4f} s, {s / plain[phase]:.2f}" for phase, s in found.items()), sep="  ")
    name = "cpu" if device == "cpu" else device.replace(":", "-")
    result = {"device": processor() if device == "cpu" else device, "seconds_per_step": median}
    (Path(folder) / f"candidates-{name}.json").write_text(json.dumps(result, indent=1) + "\n")


main()
