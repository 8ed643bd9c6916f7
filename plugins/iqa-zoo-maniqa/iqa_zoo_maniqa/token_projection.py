"""From one model width to another, query by query."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.sizes import require_positive


class TokenProjection(nn.Module):
    """A linear layer on every query, after which the model is ``width`` wide: MANIQA's 1x1 convolutions.

    MANIQA: Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958. The same as the released code's.

    Args:
        dim: model width D before it. Handed down.
        width: model width after it.

    >>> import torch
    >>> TokenProjection(dim=8, width=4)(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 4])
    """

    examples = ({"width": 24}, {"width": 8})

    def __init__(self, *, dim: int, width: int):
        super().__init__()
        require_positive(width=width)
        self.out_dim = width
        self.proj = nn.Linear(dim, width)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None = None) -> Tensor:
        return self.proj(queries_BND)
