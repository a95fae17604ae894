"""Writes evaluate.json: a tiny benchmark measured with numpy alone, for tests/evaluate.

    python3 tests/golden/evaluate.py > tests/golden/evaluate.json
"""

import itertools
import json

import numpy as np

rng = np.random.default_rng(20240213)
TAUS = [0.5, 1.0, 2.0, 4.0]
LABELS = rng.integers(0, 3, 70)


def network_set(n, scale):
    """Weights in 64ths, exact in float32, and predictions that are wrong on a random fifth."""
    weights = np.round(64 * scale * rng.standard_normal((n, 6)) * np.arange(1, 7)) / 64
    wrong = rng.random((n, 70)) < 0.2
    return {
        "weights": weights,
        "predictions": np.where(wrong, (LABELS + 1) % 3, LABELS),
        "scores": np.round(1 - wrong.mean(1) + 0.01 * rng.random(n), 4),
    }


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def distances(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def spread(x):
    return np.sqrt(((x - x.mean(0)) ** 2).sum() / (len(x) - 1))


def row(own, zoo, equal, bar, unit):
    is_zoo = own is zoo
    d = distances(own["weights"], zoo["weights"])
    errors, zoo_errors = own["predictions"] != LABELS, zoo["predictions"] != LABELS
    shared = np.array([[overlap(a, b) for b in zoo_errors] for a in errors])
    if is_zoo:
        np.fill_diagonal(d, np.inf)
        np.fill_diagonal(shared, -1)
    novelty, s = d.min(1) / unit, own["scores"]
    about = lambda x: np.sqrt(((x - zoo["weights"].mean(0)) ** 2).sum(1).mean())
    return {
        "mean": s.mean(),
        "median": np.median(s),
        "deviation": s.std(ddof=1),
        "standard_error": s.std(ddof=1) / np.sqrt(len(s)),
        "min": s.min(),
        "best": s.max(),
        "best_of": np.mean([max(c) for c in itertools.combinations(s, equal)]),
        "overlap": np.mean([overlap(a, b) for a, b in itertools.combinations(errors, 2)]),
        "overlap_zoo": shared.max(1).mean(),
        "novelty": np.median(novelty),
        "novel_and_performing": [np.mean((s > bar) & (novelty > tau)) for tau in TAUS],
        "dispersion": spread(own["weights"]) / spread(zoo["weights"]),
        "displacement": about(own["weights"]) / about(zoo["weights"]),
    }


sets = {"zoo": network_set(9, 1.0), "held_out": network_set(4, 1.0), "samples": network_set(7, 0.6)}
zoo = sets["zoo"]
loo = distances(zoo["weights"], zoo["weights"])
np.fill_diagonal(loo, np.inf)
unit = np.median(loo.min(1))
bar = zoo["scores"].mean() - zoo["scores"].std(ddof=1)
centred = zoo["weights"] - zoo["weights"].mean(0)
_, singular, axes = np.linalg.svd(centred, full_matrices=False)
golden = {
    "labels": LABELS,
    "sets": sets,
    "typical_distance": unit,
    "bar": bar,
    "explained": (singular**2 / (singular**2).sum())[:2],
    "samples_map": (sets["samples"]["weights"] - zoo["weights"].mean(0)) @ axes[:2].T,
    "rows": {name: row(own, zoo, 4, bar, unit) for name, own in sets.items()},
}
print(json.dumps(golden, default=lambda x: x.tolist(), separators=(",", ":")))
