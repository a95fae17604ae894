"""The snapshots that a generator learned from, and networks as files, for what is judged beside it. Needs PyTorch."""

import json
import math
import struct
import subprocess
from pathlib import Path

import torch


def snapshots(pdiff, generator):
    """What a generator learned from, [n, parameters], the tensors of a network as the collection lays them out, and how
    many snapshots that has: those held out from the generator too."""
    said = subprocess.run([pdiff, "inspect", "--json", generator], check=True, capture_output=True, text=True).stdout
    about = json.loads(said)["about"]["provenance"]
    collection = Path(about["collection"])
    tensors = json.loads((collection / "collection.json").read_text())["layout"]["tensors"]
    networks = torch.cat([weights(shard) for shard in sorted(collection.glob("shard-*.safetensors"))])
    held_out = set(about["held_out"])
    count = about["snapshots"]
    return networks[[i for i in range(count) if i not in held_out]], tensors, count


def weights(shard):
    """The networks in a collection's shard, [n, parameters], as docs/formats.md has it."""
    data = shard.read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:begin])["weights"]
    start, end = entry["data_offsets"]
    return torch.frombuffer(bytearray(data[begin + start : begin + end]), dtype=torch.float32).view(entry["shape"])


def write_all(networks, tensors, folder):
    """Networks [n, parameters] as files in a folder, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, network in enumerate(networks):
        write(network, tensors, folder / f"network-{number:06}.safetensors")


def write(network, tensors, file):
    """One network [parameters] as safetensors of float32."""
    header, start = {}, 0
    for tensor in tensors:
        end = start + 4 * math.prod(tensor["shape"])
        header[tensor["name"]] = {"dtype": "F32", "shape": tensor["shape"], "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + network.numpy().astype("<f4").tobytes())
