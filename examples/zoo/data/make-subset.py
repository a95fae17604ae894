#!/usr/bin/env python3
"""Cuts the class-balanced subset beside this script from the full Fashion-MNIST: make-subset.py FOLDER_OF_IDX_GZ [--check]

Training: the first 600 images of each class in the training file; selection: the next 100 of each class in the same
file; test: the first 200 of each class in the test file. Images keep the order of their file.
"""

import gzip
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# split: file's prefix, images of each class to skip, images of each class to take
SPLITS = {"train": ("train", 0, 600), "selection": ("train", 600, 100), "test": ("t10k", 0, 200)}


def read(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def idx(folder, prefix):
    """Images (each 784 bytes) and labels of one official file pair."""
    images = read(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = read(folder / f"{prefix}-labels-idx1-ubyte.gz")
    magic, count, rows, columns = struct.unpack(">4I", images[:16])
    assert (magic, rows, columns) == (0x803, 28, 28) and struct.unpack(">2I", labels[:8]) == (0x801, count)
    return [images[16 + 784 * i : 16 + 784 * (i + 1)] for i in range(count)], labels[8:]


def subset(folder, prefix, skip, take):
    images, labels = idx(folder, prefix)
    seen = [0] * 10
    chosen = []
    for i, label in enumerate(labels):
        if skip <= seen[label] < skip + take:
            chosen.append(i)
        seen[label] += 1
    assert len(chosen) == 10 * take
    return (
        struct.pack(">4I", 0x803, len(chosen), 28, 28) + b"".join(images[i] for i in chosen),
        struct.pack(">2I", 0x801, len(chosen)) + bytes(labels[i] for i in chosen),
    )


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for split, (prefix, skip, take) in SPLITS.items():
        images, labels = subset(Path(sys.argv[1]), prefix, skip, take)
        for name, data in ((f"{split}-images-idx3-ubyte.gz", images), (f"{split}-labels-idx1-ubyte.gz", labels)):
            path = HERE / name
            if "--check" not in sys.argv:
                path.write_bytes(gzip.compress(data, 9, mtime=0))
            elif read(path) != data:
                sys.exit(f"{name} differs from what the official files give")


main()
