"""The backbone's own tokens as memory, as in DEIQT."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.registry import register_memory


@register_memory("tokens")
class Tokens(nn.Module):
    """The backbone's final tokens, without the class token, as they are (DEIQT, AAAI 2023).

    Where a backbone has no tokens of its own they are the cells of its last stage. A linear projection is added
    only where the backbone's width is not the model's.

    Args:
        dim: model width D. Handed down.
        features: what the backbone gives. Handed down.

    >>> import torch

    >>> memory = Tokens(dim=8, features=FeatureSpec({}, 8, 8, 224))
    >>> memory(Features({}, torch.zeros(2, 196, 8), None)).shape
    torch.Size([2, 196, 8])
    """

    def __init__(self, *, dim: int, features: FeatureSpec):
        super().__init__()
        width = features.token_channels
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)

    def forward(self, features: Features) -> Tensor:
        return self.proj(features.tokens_BLC.contiguous())  # a linear layer of strided tokens would copy its weights
