"""What the ffn and the moe head share: a norm, a residual with a learned scalar, a score per query."""

from typing import Literal

import torch
from torch import Tensor, nn

Residual = Literal["paper", "released"]


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
