"""The activations that configs name, and the perceptron between whose layers they stand."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "gelu"]
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


def activation_layer(name: str) -> nn.Module:
    """Return a fresh activation module.

    >>> activation_layer("relu")
    ReLU()
    """
    return ACTIVATIONS[name]()


def perceptron(dim: int, hidden: int, activation: str, dropout: float) -> nn.Sequential:
    """A two-layer perceptron D -> hidden -> D with dropout between: one expert."""
    return nn.Sequential(
        nn.Linear(dim, hidden), activation_layer(activation), nn.Dropout(dropout), nn.Linear(hidden, dim)
    )
