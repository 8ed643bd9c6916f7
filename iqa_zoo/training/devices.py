"""Devices and precisions that models are trained and run in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from iqa_zoo.errors import InputError, closest


def select_device(name: str | None) -> torch.device:
    """Return the device of a name, as torch names it; for None CUDA where there is one, else the CPU.

    Raises:
        InputError: torch finds no such device; lists the devices.

    >>> select_device("cpu")
    device(type='cpu')
    """
    found = list_devices()
    if name is None:
        return torch.device("cuda" if "cuda:0" in found else "cpu")
    here = f"torch finds {', '.join(found)} here"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{name!r} is no device; {here}{closest(name, found)}") from error
    if f"{device.type}:{device.index or 0}" not in {*found, *(f"{kind}:0" for kind in found)}:
        raise InputError(f"the device {name!r} cannot be used; {here}")
    return device


def list_devices() -> list[str]:
    """Return the devices that models can be trained and run on here, as torch names them.

    >>> list_devices()[0]
    'cpu'
    """
    found = ["cpu"]
    for kind in ("cuda", "xpu"):
        backend = getattr(torch, kind, None)
        if backend is not None and backend.is_available():
            found += [f"{kind}:{index}" for index in range(backend.device_count())]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def find_fast_precision(device: torch.device | str) -> Literal["float32", "bfloat16"]:
    """Return ``bfloat16`` where a CPU or a CUDA device multiplies it natively, ``float32`` for any other."""
    kind = torch.device(device).type
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bfloat16" if native else "float32"


def use_precision(precision: str, device: torch.device | str) -> AbstractContextManager[object]:
    """Return a context in which matrix products are computed in a precision, ``float32``, ``bfloat16`` or ``float16``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, getattr(torch, precision))
