from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.errors import InputError, PartError
from iqa_zoo.layers.attention import ResidualAttention, attention_weights
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Count, Share, checked


@register_interaction("cross_scale_attention")
class CrossScaleAttention(ResidualAttention):
    """Cross-attention to one scale of the memory: x + MHA(LN(x), LN(m), LN(m)), m the tokens of that scale.

    A step of TOPIQ's top-down path (Chen et al., IEEE TIP 2024, https://arxiv.org/abs/2308.03060): what the deeper stages
    say about the content asks the next shallower one for the distortions that matter there. The memory holds
    ``num_scales`` scales of as many tokens each, one after another, as ``gated_scales`` gives them. The whole path is
    one such block and a ``feed_forward`` for each scale, 1 to ``num_scales``::

        interactions=[dict(type="self_attention", num_heads=4), dict(type="feed_forward", hidden=1024)]
        + [
            block
            for scale in (1, 2, 3)
            for block in (
                dict(type="cross_scale_attention", scale=scale, num_scales=3),
                dict(type="feed_forward", hidden=1024),
            )
        ]

    Differs from ``cross_attention`` in that it reads a part of the memory, and in the norm on it. The released layers hold
    a self-attention too that no image goes through; here it is left out. Dropout is on the attention weights only.

    Args:
        scale: which scale to read, counted from 1 in the order of the memory.
        num_scales: how many scales the memory holds; 1 reads all of it.
        num_heads: attention heads; divides ``dim``.
        dropout: on the attention weights.

    Raises:
        PartError: ``num_heads`` does not divide ``dim``, or a scale that is not among them.
        InputError: a memory whose tokens cannot be shared out over the scales; a model with one is not built.

    >>> import torch
    >>> block = CrossScaleAttention(dim=8, scale=2, num_scales=3, num_heads=2)
    >>> block(torch.zeros(2, 49, 8), torch.zeros(2, 3 * 49, 8)).shape
    torch.Size([2, 49, 8])
    """

    needs_memory = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"scale": 2, "num_scales": 2, "num_heads": 2, "dropout": 0.2},
        {"scale": 3, "num_scales": 7},
    )

    @checked
    def __init__(
        self, *, dim: int, scale: Count = 1, num_scales: Count = 1, num_heads: Count = 4, dropout: Share = 0.0
    ):
        super().__init__(dim=dim, num_heads=num_heads, dropout=dropout, norm=True)
        if scale > num_scales:
            raise PartError(f"scale={scale} is not one of num_scales={num_scales}, counted from 1")
        self.scale, self.num_scales = scale, num_scales
        self.norm_memory = nn.LayerNorm(dim)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        start, end = self._reach(memory_BLD)
        return self._attend(queries_BND, self.norm_memory(memory_BLD[:, start:end]))

    def attention(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        """Return weights_BNL, the mean over heads; every row sums to 1, and what is not read has 0."""
        return self.attention_by_head(queries_BND, memory_BLD).mean(1)

    def attention_by_head(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        """Return weights_BHNL of the forward pass, before dropout; every row sums to 1, and what is not read has 0."""
        start, end = self._reach(memory_BLD)
        read_BLD = self.norm_memory(memory_BLD[:, start:end])
        weights_BHNL = attention_weights(self.attn, self.norm(queries_BND), read_BLD)
        return F.pad(weights_BHNL, (start, memory_BLD.shape[1] - end))

    def _reach(self, memory_BLD: Tensor) -> tuple[int, int]:
        """The tokens of this block's scale, from the first to before the last."""
        length = int(memory_BLD.shape[1])
        if length % self.num_scales:
            raise InputError(
                f"a memory of {length} tokens does not hold num_scales={self.num_scales} scales of as many each; set "
                "num_scales to the number of stages of the memory"
            )
        tokens = length // self.num_scales
        return (self.scale - 1) * tokens, self.scale * tokens
