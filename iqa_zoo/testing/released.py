"""Inputs and weights for parity tests of importers: each weight is a function of its released name and shape."""

import math
from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor


def fill(name: str, shape: Sequence[int], seed: int = 0) -> Tensor:
    """The tensor that a released name stands for in recorded outputs: near one where it scales, small where it shifts.

    >>> fill("fc.weight", (2, 3)).shape, bool((fill("bn.running_var", (4,)) > 0).all())
    (torch.Size([2, 3]), True)
    """
    random, n = np.random.RandomState(crc32(name.encode()) + seed), math.prod(shape)
    last = name.split(".")[-1]
    if last == "running_var":
        values = 0.5 + random.random_sample(n)
    elif last == "running_mean":
        values = 0.1 * random.standard_normal(n)
    elif len(shape) == 0:
        values = 0.3 + 0.1 * random.standard_normal(n)
    elif len(shape) == 1 and last == "weight":
        values = 1 + 0.1 * random.standard_normal(n)
    elif len(shape) == 1:
        values = 0.05 * random.standard_normal(n)
    else:
        values = random.standard_normal(n) / np.sqrt(n / shape[0])
    return torch.from_numpy(values.astype(np.float32).reshape(tuple(shape)))


def filled(manifest: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, Tensor]:
    """A state dict of these names and shapes, each filled by :func:`fill`.

    >>> sorted(filled({"fc.weight": [2, 3], "fc.bias": [2]}))
    ['fc.bias', 'fc.weight']
    """
    return {name: fill(name, shape, seed) for name, shape in manifest.items()}


def noise(*shape: int, seed: int = 0) -> Tensor:
    """The input of recorded outputs: standard normal numbers.

    >>> noise(2, 3).shape
    torch.Size([2, 3])
    """
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))
