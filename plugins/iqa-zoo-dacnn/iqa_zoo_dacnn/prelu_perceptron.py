"""DACNN's head: a perceptron with learned slopes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.values import Share, Size, checked


class PReLUPerceptronHead(nn.Module):
    """One score per query by a perceptron with PReLU, averaged over the queries; DACNN has one.

    Each hidden layer has one learned slope for negative values (He et al., ICCV 2015). From DACNN (Pan et al., TCSVT 2022).

    Differs from the released code in that dropout is left out in evaluation.

    Args:
        hidden: widths of the hidden layers.
        dropout: after the last of them, in training.

    >>> import torch
    >>> PReLUPerceptronHead(dim=8, hidden=(6, 4))(torch.zeros(2, 3, 8)).score_BN.shape
    torch.Size([2, 3])
    """

    knobs = ("hidden",)  # what match_budget may move
    examples = ({"hidden": (16, 8)}, {"hidden": (), "dropout": 0.2})

    @checked
    def __init__(self, *, dim: int, hidden: Sequence[Size] = (512, 512), dropout: Share = 0.0):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise([dim, *hidden]))
        self.slopes = nn.ModuleList(nn.PReLU() for _ in hidden)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear([dim, *hidden][-1], 1)

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        for layer, slope in zip(self.layers, self.slopes, strict=True):
            queries_BND = slope(layer(queries_BND))
        score_BN = self.fc(self.drop(queries_BND)).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)
