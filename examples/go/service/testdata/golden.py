#!/usr/bin/env python3
"""Writes golden.json: a small network's weights, an image and its logits, by the definitions of the layers."""

import json
import math
from itertools import product
from pathlib import Path

# Names, shapes of the weights, and whether 2x2 pooling follows.
LAYERS = [("conv1", (2, 1, 3, 3), True), ("conv2", (3, 2, 2, 3), False), ("fc1", (5, 27), False), ("fc2", (3, 5), False)]
SHAPE = (1, 11, 13)


def wave(count, phase):
    return [round(math.sin(1.7 * i + phase), 4) for i in range(count)]


def convolution(x, shape, weight, size, bias):
    """y[o, r, c] = bias[o] + sum of weight[o, i, a, b] x[i, r + a, c + b]."""
    out, inputs, height, width = size
    result = (out, shape[1] - height + 1, shape[2] - width + 1)
    y = []
    for o, r, c in product(*map(range, result)):
        terms = (
            weight[((o * inputs + i) * height + a) * width + b] * x[(i * shape[1] + r + a) * shape[2] + c + b]
            for i, a, b in product(range(inputs), range(height), range(width))
        )
        y.append(bias[o] + math.fsum(terms))
    return y, result


def pooled(x, shape):
    result = (shape[0], shape[1] // 2, shape[2] // 2)
    at = lambda i, r, c: x[(i * shape[1] + r) * shape[2] + c]
    return [
        max(at(i, 2 * r + a, 2 * c + b) for a, b in product(range(2), repeat=2)) for i, r, c in product(*map(range, result))
    ], result


def main():
    image = wave(math.prod(SHAPE), 0.3)
    x, shape, network, tensors = image, SHAPE, [], []
    for number, (name, size, pool) in enumerate(LAYERS):
        weight, bias = wave(math.prod(size), number + 1.0), wave(size[0], number + 0.5)
        tensors += [{"name": f"{name}.weight", "shape": size}, {"name": f"{name}.bias", "shape": size[:1]}]
        network += weight + bias
        if len(size) == 4:
            x, shape = convolution(x, shape, weight, size, bias)
        else:
            x = [bias[o] + math.fsum(weight[o * len(x) + i] * v for i, v in enumerate(x)) for o in range(size[0])]
            shape = (size[0], 1, 1)
        if pool:
            x, shape = pooled(x, shape)
        if number + 1 < len(LAYERS):
            x = [max(v, 0.0) for v in x]
    layers = [{"name": name, "pool": pool} for name, _, pool in LAYERS]
    golden = {"shape": SHAPE, "layers": layers, "tensors": tensors, "network": network, "image": image, "logits": x}
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")


main()
