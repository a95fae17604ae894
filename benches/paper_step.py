"""The job of paper_step.rs in PyTorch, the way the official p-diff code does it: modules, autograd,
torch.optim.AdamW and a cosine schedule, one network sampled at a time. Prints seconds as JSON.

    python3 paper_step.py [REPEATS] [bf16] [fused] [DEVICE]

bf16 autocasts both trainings to it, fused has AdamW as one kernel, and then nothing is sampled.
"""

import json
import sys
import time

import torch
from torch import nn

WIDTH, LATENT, BATCH, SNAPSHOTS, WARM_UP, T = 2048, 128, 50, 300, 2, 1000
DOWN = [64, 128, 256, 256, 32]
WAVE = [1, 64, 128, 256, 512, 256, 128, 64, 1]


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        blocks = []
        for a, b in zip([1] + DOWN, DOWN):
            blocks += [nn.Conv1d(a, b, 7, 2, 3), nn.BatchNorm1d(b), nn.LeakyReLU()]
        self.encoder = nn.Sequential(*blocks)
        self.length = WIDTH // 2 ** len(DOWN)
        self.to_latent = nn.Linear(self.length * DOWN[-1], LATENT)
        self.mean, self.log_variance = nn.Linear(LATENT, LATENT), nn.Linear(LATENT, LATENT)
        self.to_decode = nn.Linear(LATENT, self.length * DOWN[-1])
        blocks, up = [], DOWN[::-1] + DOWN[:1]
        for a, b in zip(up, up[1:]):
            blocks += [nn.ConvTranspose1d(a, b, 7, 2, 3, output_padding=1), nn.BatchNorm1d(b), nn.ELU()]
        self.decoder = nn.Sequential(*blocks, nn.Conv1d(DOWN[0], 1, 7, 1, 3))

    def encode(self, x):
        h = self.to_latent(self.encoder(x[:, None]).flatten(1))
        return self.mean(h), self.log_variance(h)

    def decode(self, z):
        return self.decoder(self.to_decode(z).view(-1, DOWN[-1], self.length))[:, 0]

    def forward(self, x):
        mu, log_var = self.encode(x)
        reconstruction = self.decode(mu + 0.1 * torch.randn_like(mu))
        divergence = (-0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)).mean()
        return nn.functional.mse_loss(reconstruction, x) + 0.0 * divergence


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(256, LATENT), nn.SiLU(), nn.Linear(LATENT, LATENT))
        self.register_buffer("frequency", 10000.0 ** (-torch.arange(128) / 128))
        self.layers = nn.ModuleList()
        for a, b in zip(WAVE, WAVE[1:]):
            tail = [] if b == 1 else [nn.BatchNorm1d(b), nn.ELU()]
            self.layers.append(nn.Sequential(nn.Conv1d(a, b, 7, 1, 3), *tail))

    def forward(self, x, t):
        angle = t[:, None].float() * self.frequency
        t = self.time(torch.cat([angle.cos(), angle.sin()], -1))[:, None]
        x, skips, rising = x[:, None], [], len(WAVE) // 2 + 1
        for i, layer in enumerate(self.layers):
            x = layer((x + skips.pop() if i >= rising else x) + t)
            if i < rising - 2:
                skips.append(x)
        return x[:, 0]


def timed(repeats, step):
    seconds = []
    for i in range(repeats + WARM_UP):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def trained(network, rate, repeats, loss_of):
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.0, fused="fused" in flags or None)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, repeats + WARM_UP)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled="bf16" in flags):
            loss = loss_of(zoo[torch.randint(SNAPSHOTS, (BATCH,))])
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.item()

    return timed(repeats, step)


def diffusion_loss(x):
    with torch.no_grad():
        mu, _ = autoencoder.encode(x)
    t = torch.randint(T, (BATCH,))
    epsilon = torch.randn_like(mu)
    x_t = alpha_bar[t, None].sqrt() * mu + (1 - alpha_bar[t, None]).sqrt() * epsilon
    return nn.functional.mse_loss(denoiser(x_t, t), epsilon)


@torch.no_grad()
def sample():
    x = torch.randn(1, LATENT)
    for t in reversed(range(T)):
        epsilon = denoiser(x, torch.full((1,), t))
        mean = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * epsilon) / (1 - beta[t]).sqrt()
        before = alpha_bar[t - 1] if t else torch.tensor(1.0)
        deviation = (beta[t] * (1 - before) / (1 - alpha_bar[t])).sqrt()
        x = mean + deviation * torch.randn_like(x)
    return autoencoder.decode(x)


repeats, *flags = sys.argv[1:] or ["5"]
repeats = int(repeats)
device = torch.device(next((flag for flag in flags if flag.startswith(("cpu", "cuda"))), "cpu"))
torch.set_default_device(device)
zoo = torch.sin(torch.arange(SNAPSHOTS * WIDTH) * 0.37).view(SNAPSHOTS, WIDTH) * 1.4
beta = torch.linspace(1e-4, 0.02, T)
alpha_bar = (1 - beta).cumprod(0)
autoencoder, denoiser = Autoencoder(), Denoiser()
seconds = {
    "autoencoder": trained(
        autoencoder, 2e-5, repeats, lambda x: autoencoder(x + 0.001 * torch.randn_like(x))
    ),
    "diffusion": trained(denoiser, 1e-4, repeats, diffusion_loss),
}
if not flags:
    denoiser.eval()
    WARM_UP = 0
    seconds["sample"] = timed(-(-repeats // 5), sample)
print(json.dumps(seconds))
