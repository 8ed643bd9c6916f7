"""Where models are trained and run."""

from __future__ import annotations

import torch

from iqa_zoo.errors import InputError


def torch_device(name: str | None) -> torch.device:
    """The device of a name; CUDA where there is one, else the CPU, for None.

    Raises:
        InputError: no such device here.

    >>> torch_device("cpu")
    device(type='cpu')
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise InputError(f"{name!r} is no device: use cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{name!r} was asked for, and torch finds no CUDA device here; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"{name!r} was asked for; there are {torch.cuda.device_count()} CUDA devices, from cuda:0 on")
    return device
