"""A published generator to be judged beside ours: DeepWeightFlow (arXiv 2601.05052) in its configuration for MLPs.

    python3 benches/quality/published_flow.py PDIFF GENERATOR FOLDER -n 100 --seed 1

Learns from the snapshots that GENERATOR learned from, those held out from it left out, and writes networks to FOLDER
as safetensors. All principal components of the networks; conditional flow matching from narrow noise; Runge and Kutta.
The constants are those of the authors' configuration for MLPs on MNIST. Needs PyTorch.
"""

import argparse
from pathlib import Path

import torch
from snapshots import snapshots, write_all
from torch import nn

HIDDEN, TIME, DROPOUT = 512, 64, 0.1
STEPS, BATCH = 30_000, 8
RATE, LOWEST_RATE, DECAY, BETAS = 5e-4, 1e-6, 1e-5, (0.9, 0.95)
# Deviation of the noise that the flow starts from, and of the noise on its path.
SOURCE, PATH = 0.01, 0.001
# Points in time that the solver visits, the first and the last included.
TIMES = 100


class Velocity(nn.Module):
    """The velocity at points [n, width] and times [n, 1]."""

    def __init__(self, width):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(1, TIME), nn.GELU(), nn.Linear(TIME, TIME))
        layers, inputs = [], width + TIME
        for outputs, dropout in [(HIDDEN, DROPOUT), (HIDDEN // 2, DROPOUT), (HIDDEN, 0.0)]:
            layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.GELU(), nn.Dropout(dropout)]
            inputs = outputs
        last = nn.Linear(inputs, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, points, times):
        return self.layers(torch.cat([points, self.time(times)], dim=1))


class Components:
    """All principal components of networks [n, parameters], not whitened: n - 1 of them."""

    def __init__(self, networks):
        self.mean = networks.mean(dim=0)
        _, _, axes = torch.linalg.svd(networks - self.mean, full_matrices=False)
        self.axes = axes[: len(networks) - 1]

    def reduce(self, networks):
        return (networks - self.mean) @ self.axes.T

    def restore(self, points):
        return points @ self.axes + self.mean


def batches(rows):
    """Batches without end: epochs in random order, what is left over of each dropped."""
    size = min(BATCH, len(rows))
    while True:
        order = torch.randperm(len(rows))
        for start in range(0, len(rows) - size + 1, size):
            yield rows[order[start : start + size]]


def train(points, steps):
    """The velocity of the flow to `points` [n, width]: of the step with the lowest loss, as published."""
    model = Velocity(points.shape[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=BETAS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=LOWEST_RATE)
    # The source is as many draws as there are networks, drawn once.
    sources, targets = batches(SOURCE * torch.randn_like(points)), batches(points)
    lowest, best = float("inf"), None
    for _ in range(steps):
        source, target = next(sources), next(targets)
        times = torch.rand(len(source), 1)
        path = (1 - times) * source + times * target + PATH * torch.randn_like(source)
        loss = (model(path, times) - (target - source)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if loss.item() < lowest:
            lowest, best = loss.item(), {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return model.eval()


@torch.no_grad()
def sample(model, points):
    """Points of noise moved along the flow, by the classical fourth-order rule (Runge and Kutta)."""
    times = torch.linspace(0, 1, TIMES)
    for time, after in zip(times, times[1:]):
        step = after - time
        at = lambda moved, share: model(moved, torch.full((len(points), 1), float(time + share * step)))
        a = at(points, 0)
        b = at(points + step / 2 * a, 0.5)
        c = at(points + step / 2 * b, 0.5)
        d = at(points + step * c, 1)
        points = points + step / 6 * (a + 2 * b + 2 * c + d)
    return points


def main():
    parser = argparse.ArgumentParser(prog="published_flow", description=__doc__.splitlines()[0])
    parser.add_argument("pdiff", help="the program, which says what the generator learned from")
    parser.add_argument("generator")
    parser.add_argument("folder", type=Path, help="for the networks; made when it is not there")
    parser.add_argument("-n", "--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training; as published: {STEPS:,}")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    networks, tensors, _ = snapshots(options.pdiff, options.generator)
    components = Components(networks)
    points = components.reduce(networks)
    model = train(points, options.steps)
    samples = components.restore(sample(model, SOURCE * torch.randn(options.count, points.shape[1])))
    write_all(samples, tensors, options.folder)


if __name__ == "__main__":
    main()
