"""A head that learns how much each query counts."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.values import Share, checked


class WeightedMeanHead(nn.Module):
    """One score and one weight per query, and the weighted mean: sum_n softmax_n(u x_n) * (w x_n + b).

    The weighting branch of MANIQA (Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958) on queries in place of
    patches. Differs from it in that the weights are a softmax, so they sum to 1, and both branches are linear. The
    weights start equal, so the head starts as the built-in ``linear``.

    Args:
        dropout: before both layers.

    >>> import torch
    >>> WeightedMeanHead(dim=8)(torch.zeros(2, 6, 8)).score_BN.shape
    torch.Size([2, 6])
    """

    @checked
    def __init__(self, *, dim: int, dropout: Share = 0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.score = nn.Linear(dim, 1)
        self.weight = nn.Linear(dim, 1, bias=False)  # a bias would cancel in the softmax
        nn.init.zeros_(self.weight.weight)

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        queries_BND = self.drop(queries_BND)
        score_BN = self.score(queries_BND).squeeze(-1)
        weight_BN = self.weight(queries_BND).squeeze(-1).softmax(-1)
        return HeadOutput((weight_BN * score_BN).sum(1), score_BN)
