"""Where models are trained and run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

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


def fast_precision(device: torch.device | str) -> Literal["float32", "bfloat16"]:
    """``bfloat16`` where a device multiplies it natively, ``float32`` elsewhere."""
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def in_precision(precision: str, device: torch.device | str) -> AbstractContextManager[object]:
    """A context in which matrix products are computed in a precision, ``float32``, ``bfloat16`` or ``float16``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, getattr(torch, precision))
