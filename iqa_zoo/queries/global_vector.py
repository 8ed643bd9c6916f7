"""The backbone's global vector as the only query: what a linear probe reads."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.registry import register_query


@register_query("global_vector")
class GlobalVector(nn.Module):
    """One query, the backbone's global vector, with nothing learned unless the widths differ.

    Args:
        dim: model width D. Handed down.
        features: what the backbone gives. Handed down.

    >>> import torch

    >>> queries = GlobalVector(dim=8, features=FeatureSpec({}, 8, 8, 224))
    >>> queries(Features({}, None, torch.zeros(2, 8))).shape
    torch.Size([2, 1, 8])
    """

    num_queries = 1

    def __init__(self, *, dim: int, features: FeatureSpec):
        super().__init__()
        width = features.global_channels
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)

    def forward(self, features: Features) -> Tensor:
        return self.proj(features.global_BC)[:, None]
