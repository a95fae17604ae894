"""Times the paper engine beside PyTorch, in turn, and prints medians and ratios as a table.

    cargo bench --no-run --bench paper_step
    python benches/compare_paper.py target/release/deps/paper_step-HASH [rounds] [repeats] [JSON to add them to]

The Python that runs this needs torch of the version that libpdiff links.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

binary = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
repeats = sys.argv[3] if len(sys.argv) > 3 else "10"
jobs = {
    "libpdiff": [binary, repeats],
    "libpdiff_bf16": [binary, repeats, "bf16"],
    "pytorch": [sys.executable, str(Path(__file__).with_name("paper_step.py")), repeats],
}
seconds = {name: {} for name in jobs}
for _ in range(rounds):
    for name, command in jobs.items():
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for part, values in json.loads(output.splitlines()[-1]).items():
            seconds[name].setdefault(part, []).extend(values)

print(f"{'seconds (median)':<18}{'libpdiff':>10}{'in bf16':>10}{'pytorch':>10}{'ratio':>8}")
for part in seconds["pytorch"]:
    ours, rounded, theirs = (statistics.median(seconds[name][part]) for name in jobs)
    print(f"{part:<18}{ours:>10.4f}{rounded:>10.4f}{theirs:>10.4f}{ours / theirs:>8.2f}")

if len(sys.argv) > 4:
    file = Path(sys.argv[4])
    result = json.loads(file.read_text())
    median = lambda of: {part: statistics.median(values) for part, values in of.items()}
    result["paper_engine"] = {name: median(of) for name, of in seconds.items()}
    file.write_text(json.dumps(result, indent=2) + "\n")
