"""The activations that configs name."""

from __future__ import annotations

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


def activation_layer(name: str) -> nn.Module:
    """Return a fresh activation module.

    >>> activation_layer("relu")
    ReLU()
    """
    return ACTIVATIONS[name]()
