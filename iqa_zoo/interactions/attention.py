"""Multi-head attention with a residual, the common half of self_attention and cross_attention."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.errors import PartError


class ResidualAttention(nn.Module):
    """x + MHA(LN(x), keys and values), torch's multi-head attention and its state dict.

    Raises:
        PartError: ``dim`` is not divisible by ``num_heads``.
    """

    def __init__(self, *, dim: int, num_heads: int, dropout: float, norm: bool):
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            fits = [heads for heads in range(1, dim + 1) if dim % heads == 0]
            near = min(fits, key=lambda heads: abs(heads - num_heads))
            raise PartError(f"num_heads={num_heads} does not divide dim={dim}; the nearest that does is {near}")
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.attn = nn.MultiheadAttention(dim, num_heads, dropout=dropout, batch_first=True)

    def _attend(self, queries_BND: Tensor, keys_BLD: Tensor | None) -> Tensor:
        normed_BND = self.norm(queries_BND)
        keys_BLD = normed_BND if keys_BLD is None else keys_BLD
        return queries_BND + self.attn(normed_BND, keys_BLD, keys_BLD, need_weights=False)[0]
