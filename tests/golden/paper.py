"""Golden values for the paper engine: `python paper.py` writes paper.safetensors beside itself.

The networks of 2402.13144 and its official code at a reduced size, written with PyTorch's functional
interface over a dictionary of parameters, and three steps of PyTorch's own AdamW with its own
cosine schedule on each loss.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
LATENT, KERNEL, LENGTH, BATCH, STEPS = 12, 5, 64, 6, 3
CHANNELS = [4, 6, 5]
WAVE = [1, 3, 6, 8, 6, 3, 1]
DEEPEST = LENGTH // 2 ** len(CHANNELS)


def parameter(*shape):
    return torch.randn(shape) * 0.4


def convolution(p, name, shape):
    p[f"{name}.weight"] = parameter(*shape, KERNEL)


def normalization(p, name, channels):
    p[f"{name}.weight"] = 1 + parameter(channels)
    p[f"{name}.bias"] = parameter(channels)


def dense(p, name, inputs, outputs):
    p[f"{name}.weight"] = parameter(outputs, inputs)
    p[f"{name}.bias"] = parameter(outputs)


def autoencoder_parameters():
    p = {}
    for i, (a, b) in enumerate(zip([1] + CHANNELS, CHANNELS)):
        convolution(p, f"encoder.{i}.0", (b, a))
        p[f"encoder.{i}.0.bias"] = parameter(b)
        normalization(p, f"encoder.{i}.1", b)
    dense(p, "to_latent", DEEPEST * CHANNELS[-1], LATENT)
    dense(p, "fc_mu", LATENT, LATENT)
    dense(p, "fc_var", LATENT, LATENT)
    dense(p, "to_decode", LATENT, DEEPEST * CHANNELS[-1])
    back = CHANNELS[::-1] + [CHANNELS[0]]
    for i, (a, b) in enumerate(zip(back, back[1:])):
        name = f"decoder.{i}" if i + 1 < len(CHANNELS) else "final_layer"
        convolution(p, f"{name}.0", (a, b))
        p[f"{name}.0.bias"] = parameter(b)
        normalization(p, f"{name}.1", b)
    convolution(p, "final_layer.3", (1, CHANNELS[0]))
    p["final_layer.3.bias"] = parameter(1)
    return p


def normalize(p, name, x):
    return F.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"], training=True)


def encode(p, x):
    x = x[:, None]
    for i in range(len(CHANNELS)):
        w, b = p[f"encoder.{i}.0.weight"], p[f"encoder.{i}.0.bias"]
        x = F.leaky_relu(normalize(p, f"encoder.{i}.1", F.conv1d(x, w, b, stride=2, padding=KERNEL // 2)))
    h = F.linear(x.flatten(1), p["to_latent.weight"], p["to_latent.bias"])
    return [F.linear(h, p[f"{head}.weight"], p[f"{head}.bias"]) for head in ("fc_mu", "fc_var")]


def decode(p, z):
    x = F.linear(z, p["to_decode.weight"], p["to_decode.bias"]).view(len(z), CHANNELS[-1], DEEPEST)
    for i in range(len(CHANNELS)):
        name = f"decoder.{i}" if i + 1 < len(CHANNELS) else "final_layer"
        w, b = p[f"{name}.0.weight"], p[f"{name}.0.bias"]
        x = F.conv_transpose1d(x, w, b, stride=2, padding=KERNEL // 2, output_padding=1)
        x = F.elu(normalize(p, f"{name}.1", x))
    return F.conv1d(x, p["final_layer.3.weight"], p["final_layer.3.bias"], padding=KERNEL // 2)[:, 0]


def autoencoder_loss(p, x, noise, kl_weight):
    mu, log_var = encode(p, x)
    kl = (-0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1)).mean()
    return F.mse_loss(decode(p, mu + noise), x) + kl_weight * kl


HALF = len(WAVE) // 2 + 1


def name_of(i):
    return f"encoder_list.{i}" if i < HALF else f"decoder_list.{i - HALF}"


def denoiser_parameters():
    p, statistics = {}, {}
    dense(p, "time_embedder.mlp.0", 256, LATENT)
    p["time_embedder.mlp.0.weight"] *= 0.2
    dense(p, "time_embedder.mlp.2", LATENT, LATENT)
    for i, (a, b) in enumerate(zip(WAVE, WAVE[1:])):
        convolution(p, f"{name_of(i)}.0", (b, a))
        p[f"{name_of(i)}.0.bias"] = parameter(b)
        if i + 2 < len(WAVE):
            normalization(p, f"{name_of(i)}.1.0", b)
            statistics[f"{name_of(i)}.1.0.running_mean"] = parameter(b)
            statistics[f"{name_of(i)}.1.0.running_var"] = 1 + torch.rand(b)
    return p, statistics


def denoise(p, statistics, x, t, training):
    angle = t[:, None] * torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(128) / 128)
    e = torch.cat([angle.cos(), angle.sin()], 1)
    e = F.silu(F.linear(e, p["time_embedder.mlp.0.weight"], p["time_embedder.mlp.0.bias"]))
    e = F.linear(e, p["time_embedder.mlp.2.weight"], p["time_embedder.mlp.2.bias"])[:, None]
    x, skips = x[:, None], []
    for i in range(len(WAVE) - 1):
        name = name_of(i)
        if i >= HALF:
            x = x + skips.pop()
        x = F.conv1d(x + e, p[f"{name}.0.weight"], p[f"{name}.0.bias"], padding=KERNEL // 2)
        if i + 2 < len(WAVE):
            running = [statistics[f"{name}.1.0.running_{s}"] for s in ("mean", "var")]
            x = F.batch_norm(x, *running, p[f"{name}.1.0.weight"], p[f"{name}.1.0.bias"], training)
            x = F.elu(x)
        if i < HALF - 2:
            skips.append(x)
    return x[:, 0]


def trained(p, loss):
    """The parameters after STEPS steps, and the losses before each."""
    p = {k: v.clone().requires_grad_() for k, v in p.items()}
    optimizer = torch.optim.AdamW(p.values(), lr=0.01, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    return {k: v.detach() for k, v in p.items()}, torch.tensor(losses)


out = {}


def put(prefix, tensors):
    out.update({prefix + k: v.contiguous().clone() for k, v in tensors.items()})


p = autoencoder_parameters()
x, noise = torch.randn(BATCH, LENGTH), 0.1 * torch.randn(BATCH, LATENT)
z = torch.randn(BATCH, LATENT)
after, losses = trained(p, lambda p: autoencoder_loss(p, x, noise, 0.3))
put("autoencoder.", p)
put("after.autoencoder.", after)
put("autoencoder/", {"x": x, "noise": noise, "z": z, "losses": losses, "encoded": encode(p, x)[0]})
put("autoencoder/", {"decoded": torch.cat([decode(p, row[None]) for row in z])})

p, statistics = denoiser_parameters()
put("denoiser.", p)
put("denoiser.", statistics)
x, epsilon = torch.randn(BATCH, LATENT), torch.randn(BATCH, LATENT)
t = torch.tensor([0.0, 1.0, 17.0, 400.0, 998.0, 999.0])
put("denoiser/", {"x": x, "t": t, "epsilon": epsilon})
put("denoiser/", {"predicted": denoise(p, statistics, x, torch.tensor([37.0]), False)})
denoise(p, statistics, x, t, True)
put("after.denoiser.", statistics)
after, losses = trained(p, lambda p: F.mse_loss(denoise(p, statistics, x, t, True), epsilon))
put("denoiser/", {"losses": losses})
put("after.denoiser.", after)

save_file(out, Path(__file__).parent / "paper.safetensors")
