from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.registry import register_head
from iqa_zoo.values import Share, checked


@register_head("cosine")
class CosineHead(nn.Module):
    """The cosine between each query and a learned direction, averaged over the queries.

    LoDa's head (Xu et al., CVPR 2024, https://arxiv.org/abs/2308.12001), there on the class token alone. Scores lie from
    -1 to 1 whatever the labels are, so train it with a loss that knows neither scale nor offset, as ``plcc`` (LoDa's), or
    with labels that were brought there.

    Args:
        dropout: on the queries.

    >>> CosineHead(dim=8)(torch.ones(2, 6, 8)).score_BN.shape
    torch.Size([2, 6])
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"dropout": 0.2})

    @checked
    def __init__(self, *, dim: int, dropout: Share = 0.0):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.direction = nn.Parameter(torch.randn(1, dim))

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        unit_BND = F.normalize(self.drop(queries_BND), dim=-1)
        score_BN = F.linear(unit_BND, F.normalize(self.direction, dim=-1)).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)
