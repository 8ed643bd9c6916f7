from torch import Tensor, nn

from iqa_zoo.layers.attention import ResidualAttention
from iqa_zoo.layers.sine_positions import sine_positions, squarest
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Count, Share, checked


@register_interaction("positioned_self_attention")
class PositionedSelfAttention(ResidualAttention):
    """Self-attention that knows where each query lies: x + dropout(MHA(LN(x) + p, LN(x) + p, LN(x))).

    The attention of DETR's pre-norm encoder layer (Carion et al., ECCV 2020), used by TReS (WACV 2022): sine positions
    p are added to queries and keys, not to values. The N queries are taken as the cells of a grid, row by row, the one
    closest to a square: 49 are 7 x 7. The memory is not read.

    Args:
        dim: model width D, divisible by four. Handed down.
        num_heads: attention heads; divides ``dim``.
        dropout: on the attention weights and on what the attention adds.
        norm: LayerNorm before the attention.

    Raises:
        PartError: ``dim`` is not divisible by four or by ``num_heads``.

    >>> import torch
    >>> PositionedSelfAttention(dim=8, num_queries=9, num_heads=2)(torch.zeros(2, 9, 8), None).shape
    torch.Size([2, 9, 8])
    """

    position_ND: Tensor

    @checked
    def __init__(self, *, dim: int, num_queries: int, num_heads: Count = 6, dropout: Share = 0.0, norm: bool = True):
        super().__init__(dim=dim, num_heads=num_heads, dropout=dropout, norm=norm)
        self.drop = nn.Dropout(dropout)
        self.register_buffer("position_ND", sine_positions(*squarest(num_queries), dim), persistent=False)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> Tensor:
        normed_BND = self.norm(queries_BND)
        placed_BND = normed_BND + self.position_ND.to(normed_BND.dtype)
        return queries_BND + self.drop(self.attn(placed_BND, placed_BND, normed_BND, need_weights=False)[0])
