"""The "same" padding of timm's ports of TensorFlow models, with shapes that a graph for images of any size can hold."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

USERS = ("conv2d_same", "std_conv", "pool2d_same")  # modules of timm.layers that call pad_same


def pad_same(
    x: Tensor, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int] = (1, 1), value: float = 0
) -> Tensor:
    """Pad maps BCHW so that what follows gives the values that it gives after timm's ``pad_same``.

    timm pads by as many pixels as an output of ceil(side / stride) needs, which differs between even and odd sides. Written as
    the shape of a tensor, that grows with each layer beyond what torch.export can simplify. Here every side grows by the same
    number of pixels, and where the image begins within the padding is a value.

    >>> pad_same(torch.ones(1, 1, 4, 5), (3, 3), (2, 2))[0, 0, 2].tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    >>> pad_same(torch.ones(1, 1, 5, 4), (3, 3), (2, 2))[0, 0, 2].tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    extents = [(size - 1) * step for size, step in zip(kernel_size, dilation, strict=True)]
    sides = x.shape[2:]
    largest = [(extent + 1) // 2 for extent in extents]  # number of pixels before the image
    x = F.pad(x, (largest[1], extents[1], largest[0], extents[0]), value=value)
    for axis, side, extent, first, step in zip((2, 3), sides, extents, largest, stride, strict=True):
        before = torch.sym_max(0, extent - (side - 1) % step) // 2  # max() would compare, which fixes the parity
        x = x.index_select(axis, torch.arange(side + extent, device=x.device) + (first - before))
    return x


@contextmanager
def any_size() -> Iterator[None]:
    """Within this context timm pads by :func:`pad_same`."""
    modules = [importlib.import_module(f"timm.layers.{name}") for name in USERS]
    before = [vars(module)["pad_same"] for module in modules]
    try:
        for module in modules:
            vars(module)["pad_same"] = pad_same
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            vars(module)["pad_same"] = own
