"""Golden values for polishing: `python polish.py > polish.json`.

A network with batch normalization in plain numpy and float64, its gradient by central differences, AdamW and its
schedule from their definitions, and the order of the examples from a ChaCha8 of its own.
"""

import json
import math

import numpy as np

rng = np.random.default_rng(20260213)
EXAMPLES, BATCH, STEPS, RATE, SEED, FIRST = 11, 4, 25, 0.03, 5, 7
POLISH = 8  # the purpose in src/noise.rs
MASK = 0xFFFFFFFF

CHAIN = {
    "input": [3],
    "layers": [
        {"op": "linear", "weight": "a.weight", "bias": "a.bias"},
        {"op": "batch_norm", "weight": "n.weight", "bias": "n.bias", "running_mean": "n.running_mean",
         "running_var": "n.running_var"},
        {"op": "tanh"},
        {"op": "linear", "weight": "b.weight"},
    ],
}
TENSORS = [
    ("a.weight", [4, 3]), ("n.running_mean", [4]), ("n.running_var", [4]), ("apart.weight", [2]), ("a.bias", [4]),
    ("n.weight", [4]), ("n.bias", [4]), ("b.weight", [3, 4]),
]
FIXED = ("n.running_mean", "n.running_var", "apart.weight")


def chacha8(key):
    """The key's words without end, two to a number, low one first."""
    def quarter(x, a, b, c, d):
        for p, q, r, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) & MASK
            x[r] ^= x[p]
            x[r] = ((x[r] << turn) | (x[r] >> (32 - turn))) & MASK
    counter = 0
    while True:
        start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key, counter & MASK, counter >> 32, 0, 0]
        x = list(start)
        for _ in range(4):
            for column in range(4):
                quarter(x, column, 4 + column, 8 + column, 12 + column)
            for column in range(4):
                quarter(x, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
        words = [(a + b) & MASK for a, b in zip(x, start)]
        yield from (low | high << 32 for low, high in zip(words[::2], words[1::2]))
        counter += 1


def minibatches(number):
    key = [word for part in (SEED, POLISH, number, 0) for word in (part & MASK, part >> 32)]
    stream, order, at = chacha8(key), list(range(EXAMPLES)), 0
    while True:
        if at + BATCH > EXAMPLES:
            at = 0
        for i in range(at, at + BATCH):
            j = i + (next(stream) * (EXAMPLES - i) >> 64)
            order[i], order[j] = order[j], order[i]
        yield order[at : at + BATCH]
        at += BATCH


def split(flat):
    tensors, start = {}, 0
    for name, shape in TENSORS:
        tensors[name] = flat[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    return tensors


def loss(flat, examples):
    t = split(flat)
    x = inputs[examples] @ t["a.weight"].T + t["a.bias"]
    x = (x - t["n.running_mean"]) / np.sqrt(t["n.running_var"] + 1e-5) * t["n.weight"] + t["n.bias"]
    x = np.tanh(x) @ t["b.weight"].T
    return np.mean(np.log(np.exp(x).sum(1)) - x[np.arange(len(x)), labels[examples]])


def gradient(flat, examples):
    g = np.zeros_like(flat)
    for i in np.flatnonzero(trained):
        d = np.zeros_like(flat)
        d[i] = 1e-6
        g[i] = (loss(flat + d, examples) - loss(flat - d, examples)) / 2e-6
    return g


def rate(t):
    return RATE * max(t / 0.1, 0.01) if t < 0.1 else RATE * (1 + math.cos(math.pi * (t - 0.1) / 0.9)) / 2


def polished(flat, number):
    m, v, batches = np.zeros_like(flat), np.zeros_like(flat), minibatches(number)
    for step in range(STEPS):
        g, lr = gradient(flat, next(batches)), rate(step / STEPS)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        step_by = lr * (m_hat / (np.sqrt(v_hat) + 1e-8) + 0.01 * flat)
        flat = flat - np.where(trained, step_by, 0)
    return flat


trained = np.concatenate([np.full(math.prod(shape), name not in FIXED) for name, shape in TENSORS])
networks = np.round(rng.standard_normal((2, len(trained))) * 64) / 64
networks[:, 16:20] = np.abs(networks[:, 16:20]) + 0.25  # running_var
inputs = np.round(rng.standard_normal((EXAMPLES, 3)) * 64) / 64
labels = rng.integers(0, 3, EXAMPLES)
golden = {
    "chain": CHAIN,
    "tensors": [{"name": name, "shape": shape} for name, shape in TENSORS],
    "inputs": inputs.ravel(),
    "labels": labels,
    "batch": BATCH,
    "steps": STEPS,
    "rate": RATE,
    "seed": SEED,
    "first": FIRST,
    "networks": networks.ravel(),
    "polished": np.concatenate([polished(flat, FIRST + i) for i, flat in enumerate(networks)]),
}
print(json.dumps(golden, default=lambda x: x.tolist(), separators=(",", ":")))
