"""From one model width to another, query by query."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.errors import PartError
from iqa_zoo.values import Positive, checked


class TokenProjection(nn.Module):
    """A linear layer on every query, after which the model has another width: MANIQA's 1x1 convolutions.

    MANIQA: Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958. The same as the released code's.

    Args:
        share: the width after it, as a part of D, rounded.

    Raises:
        PartError: no width is left.

    >>> import torch
    >>> TokenProjection(dim=8, share=0.5)(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 4])
    """

    out_dim: int | None = None
    examples = ({"share": 1.5}, {"share": 0.5})

    @checked
    def __init__(self, *, dim: int, share: Positive):
        super().__init__()
        self.out_dim = round(share * dim)
        if self.out_dim < 1:
            raise PartError(f"share={share} of dim={dim} leaves no width; the least share is {1 / dim:.3g}")
        self.proj = nn.Linear(dim, self.out_dim)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None = None) -> Tensor:
        return self.proj(queries_BND)
