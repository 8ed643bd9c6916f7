from torch import Tensor

from iqa_zoo.layers.attention import ResidualAttention, attention_weights
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Count, Share, checked


@register_interaction("cross_attention")
class CrossAttention(ResidualAttention):
    """Cross-attention of the queries to the memory: x + MHA(LN(x), memory, memory).

    Args:
        num_heads: attention heads; divides ``dim``.
        dropout: on the attention weights.
        norm: LayerNorm on the queries before the attention.

    >>> import torch
    >>> CrossAttention(dim=8, num_heads=2)(torch.zeros(2, 6, 8), torch.zeros(2, 36, 8)).shape
    torch.Size([2, 6, 8])
    """

    needs_memory = True
    takes_projected = True

    @checked
    def __init__(self, *, dim: int, num_heads: Count = 6, dropout: Share = 0.0, norm: bool = True):
        super().__init__(dim=dim, num_heads=num_heads, dropout=dropout, norm=norm)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        return self._attend(queries_BND, memory_BLD)

    def attention(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        """Return weights_BNL, the mean over heads; every row sums to 1."""
        return self.attention_by_head(queries_BND, memory_BLD).mean(1)

    def attention_by_head(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        """Return weights_BHNL of the forward pass, before dropout; every row sums to 1."""
        return attention_weights(self.attn, self.norm(queries_BND), memory_BLD)
