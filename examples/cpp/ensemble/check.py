#!/usr/bin/env python3
"""Checks the figures of a reduced run: every row is there, networks work, ensembles are better than their members."""

import json
import sys

with open(sys.argv[1]) as file:
    listed = json.load(file)["rows"]
rows = {row.pop("name"): {key: value["mean"] for key, value in row.items()} for row in listed}
for name in ("generated network", "trained original", "Gaussian sample"):
    one, ten = rows[f"one {name}"], rows[f"10 {name}s"]
    assert one["accuracy"] > 0.75 and 0 < one["ece"] < 0.2, (name, one)
    assert ten["accuracy"] > one["accuracy"] and ten["nll"] < one["nll"], (name, one, ten)
generated, trained = rows["10 generated networks"], rows["10 trained originals"]
assert abs(generated["accuracy"] - trained["accuracy"]) < 0.02 and abs(generated["nll"] - trained["nll"]) < 0.05, rows
assert rows["one soup of 10 originals"]["nll"] > generated["nll"], rows
print("ensemble: as it should be")
