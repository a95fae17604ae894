"""What libpdiff's default engine samples, in PyTorch: the same network with the same calls, batched, run as it is
and compiled, and the same decoding. Prints milliseconds as JSON, and the bytes that the process held at most beyond
what it had with PyTorch imported.

    python benches/pytorch_sampling.py THREADS SETTINGS

SETTINGS is JSON: the flow's width, hidden and blocks, the calls, and cases of [parameters, components, batch].
"""

import json
import sys
import time

import torch
from torch import nn

from memory import held, resident

RUNS, SECONDS = (5, 200), 2.0


class Block(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.film, self.up, self.down = (nn.Linear(hidden, n) for n in (2 * hidden, hidden, hidden))
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)

    def forward(self, stream, embedding):
        scale, shift = self.film(embedding).chunk(2, -1)
        x = self.norm(stream) * (1 + scale) + shift
        return stream + self.down(nn.functional.silu(self.up(x)))


class Flow(nn.Module):
    def __init__(self, width, hidden, blocks):
        super().__init__()
        self.embedding, self.input = nn.Linear(16, hidden), nn.Linear(width, hidden)
        self.blocks = nn.ModuleList(Block(hidden) for _ in range(blocks))
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.output = nn.Linear(hidden, width)

    def forward(self, y, theta):
        angle = theta * torch.arange(1, 9)
        embedding = nn.functional.silu(self.embedding(torch.stack([angle.cos(), angle.sin()], -1).flatten()))
        stream = self.input(y)
        for block in self.blocks:
            stream = block(stream, embedding)
        return self.output(self.norm(stream))


def adams_bashforth(velocity, y, calls):
    step, before = torch.pi / 2 / calls, None
    for i in range(calls):
        v = velocity(y, torch.tensor(step * i))
        y = y + step * (v if before is None else 1.5 * v - 0.5 * before)
        before = v
    return y


def decode(z, decoder, scale, mean):
    return torch.addmm(mean, z, decoder, beta=1.0) * scale


@torch.no_grad()
def timed(velocity, decode, width, calls, case):
    parameters, components, batch = case
    decoder, mean = torch.randn(components, parameters), torch.randn(parameters)

    def sample():
        z = torch.randn(batch, components)
        z[:, :width] = adams_bashforth(velocity, z[:, :width].clone(), calls)
        return decode(z, decoder, 0.5, mean)

    sample()
    times, begin = [], time.perf_counter()
    while len(times) < RUNS[0] or len(times) < RUNS[1] and time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        sample()
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    return {"median_ms": times[len(times) // 2], "fastest_ms": times[0], "slowest_ms": times[-1]}


def case_of(velocity, decode, width, calls, case, before):
    """A case's times and the most that it held."""
    times, peak = held(lambda: timed(velocity, decode, width, calls, case))
    return times | {"peak_bytes": max(0, peak - before)}


before = resident()
threads, settings = int(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(threads)
flow = Flow(settings["width"], settings["hidden"], settings["blocks"]).eval()
# One program per batch for the flow, one for every size of the decoder.
compiled = torch.compile(flow, dynamic=False), torch.compile(decode, dynamic=True)
rows = []
for case in settings["cases"]:
    row = {"batched": case_of(flow, decode, settings["width"], settings["calls"], case, before)}
    if settings["compile"]:
        row["compiled"] = case_of(*compiled, settings["width"], settings["calls"], case, before)
    rows.append(row)
print(json.dumps({"torch": torch.__version__, "rows": rows}))
