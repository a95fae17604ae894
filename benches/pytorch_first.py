"""What benches/first.c times, in PyTorch: reads a decoder of a size and samples one network. Its whole process is
what is timed. Usage: pytorch_first.py FILE PARAMETERS COMPONENTS; makes the file where it is not there."""

import os
import resource
import sys

import torch

file, parameters, components = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if not os.path.exists(file):
    torch.save({"decoder": torch.randn(components, parameters), "mean": torch.randn(parameters)}, file)
tensors = torch.load(file, mmap=True)
torch.addmm(tensors["mean"], torch.randn(1, components), tensors["decoder"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
