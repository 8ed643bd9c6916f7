"""Multi-head attention with a residual, which the attention blocks share."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.layers.arguments import check_num_heads


class ResidualAttention(nn.Module):
    """x + MHA(LN(x), keys and values), torch's multi-head attention and its state dict.

    ``few_queries`` makes training cheaper where the queries are few and the keys many: see :func:`attend_few`.

    Raises:
        PartError: ``dim`` is not divisible by ``num_heads``.
    """

    few_queries = False

    def __init__(self, *, dim: int, num_heads: int, dropout: float, norm: bool):
        super().__init__()
        check_num_heads(num_heads, dim)
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
    batch, queries, dim = queries_BND.shape
    heads, head_dim = attn.num_heads, attn.head_dim
    w_query, w_key, w_value = in_product_precision(attn.in_proj_weight).chunk(3)
    b_query, _, b_value = attn.in_proj_bias.chunk(3)
    query_BND = F.linear(queries_BND, w_query, b_query) * head_dim**-0.5
    reach_THD = _each_head(query_BND.view(-1, heads, head_dim), w_key.view(heads, head_dim, dim))  # T = B * N
    # Memory first: its gradients then all lie in memory as it does, and adding them up costs a fifth.
    reach_BMD = reach_THD.view(batch, queries * heads, dim)  # M = N * H
    weights_BML = memory_BLD.bmm(reach_BMD.transpose(1, 2)).transpose(1, 2).softmax(-1)
    weights_BML = F.dropout(weights_BML, attn.dropout, attn.training)
    met_THD = weights_BML.bmm(memory_BLD).view(-1, heads, dim)
    answer_BND = _each_head(met_THD, w_value.view(heads, head_dim, dim).mT).view(batch, queries, dim) + b_value
    return attn.out_proj(answer_BND)


def _each_head(input_THC: Tensor, weight_HCD: Tensor) -> Tensor:
    """Rows by head times a matrix of each head, THD. As ``torch.einsum("thc,hcd->thd", ...)``, without its copies."""
    product_THD: Tensor = _EachHead.apply(input_THC.to(weight_HCD.dtype), weight_HCD)
    return product_THD


class _EachHead(torch.autograd.Function):
    """Every product is written where the next one reads it, head by head with a stride."""

    @staticmethod
    def forward(ctx: Any, input_THC: Tensor, weight_HCD: Tensor) -> Tensor:
        ctx.save_for_backward(input_THC, weight_HCD)
        return _heads_apart(input_THC, weight_HCD)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_THD: Tensor) -> tuple[Tensor, Tensor]:
        input_THC, weight_HCD = ctx.saved_tensors
        return _heads_apart(grad_THD, weight_HCD.mT), input_THC.permute(1, 2, 0).bmm(grad_THD.transpose(0, 1))


def _heads_apart(input_THC: Tensor, weight_HCD: Tensor) -> Tensor:
    rows, heads, _ = input_THC.shape
    product_THD = input_THC.new_empty(rows, heads, weight_HCD.shape[2])
    torch.bmm(input_THC.transpose(0, 1), weight_HCD, out=product_THD.transpose(0, 1))
    return product_THD


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
