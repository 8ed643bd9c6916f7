"""MANIQA's transposed attention: channels attend to channels."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.errors import PartError
from iqa_zoo.layers.graphs import is_recorded
from iqa_zoo.values import Share, checked

Layout = Literal["paper", "released"]


class TransposedAttention(nn.Module):
    """Self-attention over the channels instead of the queries: each of the D channels is a token of N numbers.

    x + dropout(softmax(Q K^T / sqrt(N)) V) with Q, K, V linear maps of the N numbers, one head, no norm and no output
    projection: the transposed attention block of MANIQA (Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958).

    The released code writes the attended (D, N) matrix of an image transposed and reads it back as (D, N), row by row, so
    that what is added to a channel comes from others. ``layout="released"`` does the same.

    Args:
        dropout: on what is added.
        layout: "paper", or "released" with its mixed-up channels.

    Raises:
        PartError: no such layout.

    >>> import torch
    >>> TransposedAttention(num_queries=6)(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 8])
    """

    examples = ({}, {"layout": "released"})

    @checked
    def __init__(self, *, num_queries: int, dropout: Share = 0.1, layout: Layout = "paper"):
        super().__init__()
        if layout not in get_args(Layout):
            raise PartError(f"layout={layout!r} is none of {', '.join(get_args(Layout))}")
        self.layout = layout
        self.query, self.key, self.value = (nn.Linear(num_queries, num_queries) for _ in range(3))
        self.drop = nn.Dropout(dropout)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None = None) -> Tensor:
        channels_BDN = queries_BND.mT.contiguous()
        q_BDN, k_BDN, v_BDN = self.query(channels_BDN), self.key(channels_BDN), self.value(channels_BDN)
        if is_recorded():  # ONNX has this operator for four axes only; here the second is one head
            mixed_BDN = F.scaled_dot_product_attention(q_BDN[:, None], k_BDN[:, None], v_BDN[:, None])[:, 0]
        else:
            mixed_BDN = F.scaled_dot_product_attention(q_BDN, k_BDN, v_BDN)
        if self.layout == "released":
            mixed_BDN = mixed_BDN.mT.reshape(mixed_BDN.shape)
        return queries_BND + self.drop(mixed_BDN).mT
