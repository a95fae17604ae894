"""Writes tests/fixtures/checkpoints: small files by PyTorch and safetensors themselves, and what
they hold according to torch.load.

    python tests/golden/checkpoints.py        (torch 2.11, numpy, safetensors)
"""

import json
import os
import pathlib

import safetensors.torch
import torch
from torch import nn

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "checkpoints"
DTYPES = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.bool: "bool",
}


def described(name, tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return {
        "name": name,
        "dtype": DTYPES[tensor.dtype],
        "shape": list(tensor.shape),
        "bytes": data.hex(),
    }


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def trained():
    """A network, its optimizer and scheduler after two steps: every state has its tensors."""
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 5])
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(4, 1, 4, 4)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    return net, optimizer, scheduler


class Hostile:
    """Runs a command when an unpickler that calls what it is told loads it."""

    def __reduce__(self):
        return os.system, ("touch pdiff-hostile-pickle-ran",)


def main():
    torch.manual_seed(7)
    FOLDER.mkdir(parents=True, exist_ok=True)
    net, optimizer, scheduler = trained()
    state = net.state_dict()
    base = torch.arange(24, dtype=torch.float32)
    views = {
        "tail": base[20:],
        "transposed": base.reshape(4, 6).t(),
        "strided": base[1::3],
        "window": base.reshape(2, 3, 4)[:, 1:, ::2],
        "whole": base,
        "expanded": torch.tensor([1.5, 2.5]).reshape(2, 1).expand(2, 3),
        "scalar": torch.tensor(3.25),
        "empty": torch.zeros(0, 5),
        "channels_last": torch.arange(48.0).reshape(2, 3, 2, 4).to(memory_format=torch.channels_last),
        "parameter": nn.Parameter(torch.tensor([-1.0, 2.0])),
    }
    dtypes = {name: torch.tensor([0, 1, 3], dtype=dtype) for dtype, name in DTYPES.items()}

    cases = {
        "plain.pt": (state, state),
        "wrapped.pt": (
            {
                "epoch": 3,
                "best": 0.5,
                "note": "words",
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "state_dict": state,
                "rng": torch.get_rng_state()[:8].clone(),
            },
            state,
        ),
        "model_key.pt": ({"model": state, "optimizer": optimizer.state_dict()}, state),
        "model_state_dict.pt": (
            {"model": {"name": "a convnet"}, "model_state_dict": state},
            state,
        ),
        "nested.pt": (
            {"net": {"encoder": {"w": base[:3]}, "decoder": {"w": base[3:5]}}, "optimizer": optimizer.state_dict()},
            {"net.encoder.w": base[:3], "net.decoder.w": base[3:5]},
        ),
        "views.pt": (views, views),
        "dtypes.pt": (dtypes, dtypes),
    }
    expected = {}
    for name, (saved, tensors) in cases.items():
        torch.save(saved, FOLDER / name)
        torch.load(FOLDER / name, weights_only=True)
        expected[name] = [described(*item) for item in tensors.items()]
    for protocol in (3, 4, 5):
        name = f"protocol{protocol}.pt"
        torch.save({"state_dict": state, "bytes": b"\0\1", "set": {1, 2}}, FOLDER / name, pickle_protocol=protocol)
        expected[name] = [described(*item) for item in state.items()]

    contiguous = {name: tensor.contiguous() for name, tensor in dtypes.items()}
    safetensors.torch.save_file(contiguous, FOLDER / "dtypes.safetensors", {"format": "pt"})
    # The format orders tensors by alignment, then name.
    with open(FOLDER / "dtypes.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__")
    order = sorted(header, key=lambda name: header[name]["data_offsets"])
    expected["dtypes.safetensors"] = [described(name, contiguous[name]) for name in order]

    torch.save({"a": torch.ones(2), "wide": torch.ones(2, dtype=torch.uint16)}, FOLDER / "uint16.pt")
    torch.save({"eighth": torch.ones(2).to(torch.float8_e4m3fn)}, FOLDER / "float8.pt")
    torch.save({"wave": torch.ones(2, dtype=torch.complex64)}, FOLDER / "complex.pt")
    torch.save({"flipped": torch.ones(2, dtype=torch.complex64).conj().imag}, FOLDER / "negated.pt")
    safetensors.torch.save_file(
        {"eighth": torch.ones(2).to(torch.float8_e4m3fn)}, FOLDER / "float8.safetensors"
    )
    torch.save(net, FOLDER / "module.pt")
    torch.save(state, FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": state, "payload": Hostile()}, FOLDER / "hostile.pt")

    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")


main()
