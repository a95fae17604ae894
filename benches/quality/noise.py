"""A collection without directions, for a control: does teaching need the zoo, or would random directions do?

    python3 benches/quality/noise.py PDIFF GENERATOR FOLDER --seed 1

Writes as many networks as GENERATOR's collection has to FOLDER as safetensors: each parameter drawn for itself from a
Gaussian of its mean and deviation over the snapshots that GENERATOR learned from. What the zoo says beyond that is
lost. Needs PyTorch.
"""

import argparse
from pathlib import Path

import torch
from snapshots import snapshots, write_all


def main():
    parser = argparse.ArgumentParser(prog="noise", description=__doc__.splitlines()[0])
    parser.add_argument("pdiff", help="the program, which says what the generator learned from")
    parser.add_argument("generator")
    parser.add_argument("folder", type=Path, help="for the networks; made when it is not there")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    networks, tensors, count = snapshots(options.pdiff, options.generator)
    noise = networks.mean(dim=0) + networks.std(dim=0) * torch.randn(count, networks.shape[1])
    write_all(noise, tensors, options.folder)


if __name__ == "__main__":
    main()
