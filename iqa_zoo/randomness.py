"""Seed all random number generators."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch, NumPy's global generator and ``random`` inside the block, and restore their states after it.

    Args:
        seed: any integer.
        device: device whose generator is also restored, besides the CPU.

    >>> with seeded(1):
    ...     first = torch.rand(2), np.random.rand()
    >>> with seeded(1):
    ...     second = torch.rand(2), np.random.rand()
    >>> torch.equal(first[0], second[0]), first[1] == second[1]
    (True, True)
    """
    device = torch.device(device)
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        set_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def set_seed(seed: int) -> None:
    """Seed torch, NumPy's global generator and ``random``."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
