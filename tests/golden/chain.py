"""Golden values for running chains: `python chain.py > chain.json`.

Every layer in plain numpy and float64 from its definition, the gradients by central differences.
"""

import json
import math

import numpy as np

rng = np.random.default_rng(20240213)
NETWORKS, EXAMPLES, STEP = 2, 3, 1e-6

CHAIN = {
    "input": [2, 9, 9],
    "layers": [
        {"op": "conv2d", "weight": "a.weight", "bias": "a.bias", "stride": 2, "padding": 1},
        {"op": "batch_norm", "weight": "n.weight", "bias": "n.bias", "running_mean": "n.running_mean",
         "running_var": "n.running_var", "epsilon": 0.001},
        {"op": "leaky_relu", "slope": 0.1},
        {"op": "max_pool2d", "kernel": 2, "stride": 1},
        {"op": "avg_pool2d", "kernel": 2},
        {"op": "conv2d", "weight": "b.weight", "padding": 1},
        {"op": "gelu"},
        {"op": "global_avg_pool2d"},
        {"op": "flatten"},
        {"op": "linear", "weight": "c.weight", "bias": "c.bias"},
        {"op": "layer_norm", "weight": "l.weight", "bias": "l.bias"},
        {"op": "silu"},
        {"op": "linear", "weight": "d.weight", "bias": "d.bias"},
        {"op": "sigmoid"},
        {"op": "linear", "weight": "e.weight", "bias": "e.bias"},
        {"op": "tanh"},
        {"op": "linear", "weight": "f.weight", "bias": "f.bias"},
        {"op": "relu"},
        {"op": "linear", "weight": "g.weight"},
    ],
}
TENSORS = [
    ("a.weight", [3, 2, 3, 3]), ("a.bias", [3]),
    ("n.weight", [3]), ("n.bias", [3]), ("n.running_mean", [3]), ("n.running_var", [3]),
    ("b.weight", [4, 3, 2, 2]),
    ("c.weight", [5, 4]), ("c.bias", [5]), ("l.weight", [5]), ("l.bias", [5]),
    ("d.weight", [5, 5]), ("d.bias", [5]), ("e.weight", [4, 5]), ("e.bias", [4]),
    ("f.weight", [6, 4]), ("f.bias", [6]), ("g.weight", [3, 6]),
]


def windows(x, kernel, stride):
    """[channels, height, width, kernel, kernel] of x [channels, ., .]."""
    w = np.lib.stride_tricks.sliding_window_view(x, kernel, (1, 2))
    return w[:, ::stride, ::stride]


def layer(spec, t, x):
    op = spec["op"]
    weight, bias = t.get(spec.get("weight")), t.get(spec.get("bias"))
    if op == "linear":
        return weight @ x + (0 if bias is None else bias)
    if op == "conv2d":
        p = spec.get("padding", 0)
        w = windows(np.pad(x, ((0, 0), (p, p), (p, p))), weight.shape[2:], spec.get("stride", 1))
        y = np.einsum("chwij,ocij->ohw", w, weight)
        return y if bias is None else y + bias[:, None, None]
    if op in ("max_pool2d", "avg_pool2d"):
        w = windows(x, (spec["kernel"],) * 2, spec.get("stride", spec["kernel"]))
        return w.max((3, 4)) if op == "max_pool2d" else w.mean((3, 4))
    if op == "global_avg_pool2d":
        return x.mean((1, 2), keepdims=True)
    if op == "flatten":
        return x.ravel()
    if op == "batch_norm":
        c = lambda name: t[spec[name]][:, None, None]
        return (x - c("running_mean")) / np.sqrt(c("running_var") + spec["epsilon"]) * c("weight") + c("bias")
    if op == "layer_norm":
        return (x - x.mean()) / np.sqrt(x.var() + spec.get("epsilon", 1e-5)) * weight + bias
    return {
        "relu": lambda x: np.maximum(x, 0),
        "leaky_relu": lambda x: np.where(x > 0, x, spec.get("slope", 0.01) * x),
        "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
        "silu": lambda x: x / (1 + np.exp(-x)),
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "tanh": np.tanh,
    }[op](x)


def forward(flat, examples):
    t, start = {}, 0
    for name, shape in TENSORS:
        t[name] = flat[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    out = []
    for x in examples:
        for spec in CHAIN["layers"]:
            x = layer(spec, t, x)
        out.append(x)
    return np.array(out)


def cross_entropy(out):
    return np.mean([np.log(np.exp(o).sum()) - o[c] for o, c in zip(out, classes)])


def squared_error(out):
    return ((out - values) ** 2).mean()


def gradient(flat, examples, loss):
    g = np.zeros_like(flat)
    for i in range(len(flat)):
        d = np.zeros_like(flat)
        d[i] = STEP
        g[i] = (loss(forward(flat + d, examples)) - loss(forward(flat - d, examples))) / (2 * STEP)
    start = 0
    for name, shape in TENSORS:
        if "running" in name:
            g[start : start + math.prod(shape)] = 0
        start += math.prod(shape)
    return g


# Weights and examples are exact in float32.
total = sum(math.prod(shape) for _, shape in TENSORS)
networks = np.round(rng.standard_normal((NETWORKS, total)) * 45) / 64
start = 0
for name, shape in TENSORS:
    if name.endswith("running_var"):
        networks[:, start : start + math.prod(shape)] = np.abs(networks[:, start : start + math.prod(shape)]) + 0.25
    start += math.prod(shape)
examples = np.round(rng.standard_normal((EXAMPLES, *CHAIN["input"])) * 1024) / 1024
classes = [0, 2, 1]
values = np.round(rng.standard_normal((EXAMPLES, 3)) * 64) / 64
losses = {"cross_entropy": cross_entropy, "squared_error": squared_error}
golden = {
    "chain": CHAIN,
    "tensors": [{"name": name, "shape": shape} for name, shape in TENSORS],
    "networks": networks,
    "examples": examples.reshape(EXAMPLES, -1),
    "classes": classes,
    "values": values,
    "outputs": [forward(flat, examples) for flat in networks],
    "losses": {name: [loss(forward(flat, examples)) for flat in networks] for name, loss in losses.items()},
    "gradients": {name: [gradient(flat, examples, loss) for flat in networks] for name, loss in losses.items()},
}
print(json.dumps(golden, default=lambda x: x.tolist(), separators=(",", ":")))
