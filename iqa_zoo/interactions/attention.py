"""Multi-head attention with a residual, the common half of self_attention and cross_attention."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.errors import PartError


class ResidualAttention(nn.Module):
    """x + MHA(LN(x), keys and values), torch's multi-head attention and its state dict.

    ``few_queries`` makes training cheaper where the queries are few and the keys many: see :func:`attend_few`.

    Raises:
        PartError: ``dim`` is not divisible by ``num_heads``.
    """

    few_queries = False

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
        if keys_BLD is None:
            return queries_BND + self.attn(normed_BND, normed_BND, normed_BND, need_weights=False)[0]
        if self.few_queries:
            return queries_BND + attend_few(self.attn, normed_BND, keys_BLD)
        return queries_BND + self.attn(normed_BND, keys_BLD, keys_BLD, need_weights=False)[0]


def compute_for_few_queries(model: nn.Module) -> None:
    """Let every cross-attention of a model compute in the order of :func:`attend_few` from now on."""
    for module in model.modules():
        if isinstance(module, ResidualAttention):
            module.few_queries = True


def attend_few(attn: nn.MultiheadAttention, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
    """The function of ``attn(queries, memory, memory)`` in another order, for few queries and many keys.

    (Q Wq)(M Wk)^T = ((Q Wq) Wk^T) M^T, and A (M Wv) = (A M) Wv: the key and value matrices are applied to the
    N queries of each head and not to the L tokens. At N = 6, 6 heads and 196 tokens that is an eighth of the
    multiply-accumulates. The key bias adds the same to all keys of a query and drops out of the softmax. Budgets
    are counted in the usual order, as papers count.
    """
    assert attn.in_proj_bias is not None
    assert attn.batch_first
    head_dim = attn.head_dim
    w_query, w_key, w_value = in_product_precision(attn.in_proj_weight).chunk(3)
    b_query, _, b_value = attn.in_proj_bias.chunk(3)
    query_BND = F.linear(queries_BND, w_query, b_query) * head_dim**-0.5
    query_HBNd = rearrange(query_BND, "b n (h d) -> h (b n) d", h=attn.num_heads)
    reach_BHND = rearrange(
        query_HBNd.bmm(rearrange(w_key, "(h d) c -> h d c", h=attn.num_heads)),
        "h (b n) c -> b (h n) c",
        b=len(queries_BND),
    )
    # Memory first: its gradients then all lie in memory as it does, and adding them up costs a fifth.
    weights_BHNL = memory_BLD.bmm(reach_BHND.transpose(1, 2)).transpose(1, 2).softmax(-1)
    weights_BHNL = F.dropout(weights_BHNL, attn.dropout, attn.training)
    met_HBND = rearrange(weights_BHNL.bmm(memory_BLD), "b (h n) c -> h (b n) c", h=attn.num_heads)
    value_HBNd = met_HBND.bmm(rearrange(w_value, "(h d) c -> h c d", h=attn.num_heads))
    answer_BND = rearrange(value_HBNd, "h (b n) d -> b n (h d)", b=len(queries_BND)) + b_value
    return attn.out_proj(answer_BND)


def attention_weights(attn: nn.MultiheadAttention, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
    """The weights of ``attn(queries, memory, memory)``, weights_BHNL, without dropout and so without a random number.

    >>> attn = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> attention_weights(attn, torch.zeros(1, 3, 8), torch.zeros(1, 4, 8))[0, 0, 0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    assert attn.in_proj_bias is not None
    w_query, w_key, _ = in_product_precision(attn.in_proj_weight).chunk(3)
    b_query, b_key, _ = attn.in_proj_bias.chunk(3)
    query_BHNd = rearrange(F.linear(queries_BND, w_query, b_query), "b n (h d) -> b h n d", h=attn.num_heads)
    key_BHLd = rearrange(F.linear(memory_BLD, w_key, b_key), "b l (h d) -> b h l d", h=attn.num_heads)
    return (query_BHNd * attn.head_dim**-0.5 @ key_BHLd.transpose(-1, -2)).softmax(-1)


def in_product_precision(weight: Tensor) -> Tensor:
    """A weight in the precision of autocast, where it is on: cast once, before it is cut up, rather than in pieces."""
    kind = weight.device.type
    return weight.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else weight
