from torch import Tensor

from iqa_zoo.layers.attention import ResidualAttention
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Count, Share, checked


@register_interaction("self_attention")
class SelfAttention(ResidualAttention):
    """Self-attention among the queries: x + MHA(LN(x)), a pre-norm transformer's. The memory is not read.

    Args:
        num_heads: attention heads; divides ``dim``.
        dropout: on the attention weights.
        norm: LayerNorm before the attention.

    >>> import torch
    >>> SelfAttention(dim=8, num_heads=2)(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 8])
    """

    @checked
    def __init__(self, *, dim: int, num_heads: Count = 6, dropout: Share = 0.0, norm: bool = True):
        super().__init__(dim=dim, num_heads=num_heads, dropout=dropout, norm=norm)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> Tensor:
        return self._attend(queries_BND, None)
