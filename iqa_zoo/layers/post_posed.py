"""The frame that the ffn and the moe head share: norm, a residual with a learned scalar, a score per query."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from iqa_zoo.layers.activations import activation_layer

Residual = Literal["paper", "released"]
Activation = Literal["relu", "gelu"]


def perceptron(dim: int, hidden: int, activation: str, dropout: float) -> nn.Sequential:
    """A two-layer perceptron D -> hidden -> D with dropout between: one expert."""
    return nn.Sequential(
        nn.Linear(dim, hidden), activation_layer(activation), nn.Dropout(dropout), nn.Linear(hidden, dim)
    )


class PostPosed(nn.Module):
    """LN, then a block F after the whole decoder, then dropout and one linear score per query.

    ``residual="paper"`` is Y = F(X) + gamma X, ``"released"`` is Y = X + gamma F(X), with X = LN(queries) in both.
    """

    def __init__(self, *, dim: int, residual: Residual, gamma: float, dropout: float):
        super().__init__()
        self.residual = residual
        self.norm = nn.LayerNorm(dim)
        self.gamma = nn.Parameter(torch.tensor(float(gamma)))
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(dim, 1)

    def _score(self, normed_BND: Tensor, block_BND: Tensor) -> Tensor:
        if self.residual == "paper":
            mixed_BND = block_BND + self.gamma * normed_BND
        else:
            mixed_BND = normed_BND + self.gamma * block_BND
        return self.fc(self.drop(mixed_BND)).squeeze(-1)
