"""Multi-head attention with a residual, which the attention blocks share."""

from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import has_flag
from iqa_zoo.layers.arguments import check_num_heads


class Projected(NamedTuple):
    """A memory as its tokens and the linear layer that brings them to the model width, for :func:`attend_few`."""

    tokens_BLC: Tensor
    proj: nn.Linear

    def project(self) -> Tensor:
        """Return memory_BLD."""
        memory_BLD: Tensor = self.proj(self.tokens_BLC)
        return memory_BLD


class ResidualAttention(nn.Module):
    """x + MHA(LN(x), keys and values), torch's multi-head attention and its state dict.

    ``few_queries`` makes training cheaper where the queries are few and the keys many: see :func:`attend_few`.

    Raises:
        PartError: ``dim`` is not divisible by ``num_heads``.
    """

    few_queries = False
    takes_projected = False  # whether the memory reaches ``_attend`` as it is

    def __init__(self, *, dim: int, num_heads: int, dropout: float, norm: bool):
        super().__init__()
        check_num_heads(num_heads, dim)
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.attn = nn.MultiheadAttention(dim, num_heads, dropout=dropout, batch_first=True)

    def _attend(self, queries_BND: Tensor, keys_BLD: Tensor | Projected | None) -> Tensor:
        normed_BND = self.norm(queries_BND)
        if keys_BLD is None:
            return queries_BND + self.attn(normed_BND, normed_BND, normed_BND, need_weights=False)[0]
        if self.few_queries or isinstance(keys_BLD, Projected):
            return queries_BND + attend_few(self.attn, normed_BND, keys_BLD)
        return queries_BND + self.attn(normed_BND, keys_BLD, keys_BLD, need_weights=False)[0]


def compute_for_few_queries(model: nn.Module) -> None:
    """Let every cross-attention of a model compute in the order of :func:`attend_few` from now on.

    The memory hands on its tokens before their projection (:class:`Projected`) where that is less to compute: the tokens are not
    wider than the model, and the classes of the memory and of every block that reads it say that they do so. A subclass does not
    inherit that: its forward pass may touch the memory.
    """
    readers = [block for block in getattr(model, "interactions", ()) if has_flag(block, "needs_memory")]
    memory: Any = getattr(model, "memory", None)
    proj = getattr(memory, "proj", None)
    if "projects" in vars(type(memory)) and isinstance(proj, nn.Linear) and proj.in_features <= proj.out_features:
        memory.projects = not all(
            vars(type(block)).get("takes_projected") and not block.attn.dropout for block in readers
        )
    for module in model.modules():
        if isinstance(module, ResidualAttention):
            module.few_queries = True


def attend_few(attn: nn.MultiheadAttention, queries_BND: Tensor, memory: Tensor | Projected) -> Tensor:
    """The function of ``attn(queries, memory, memory)`` in another order, for few queries and many keys.

    (Q Wq)(M Wk)^T = ((Q Wq) Wk^T) M^T, and A (M Wv) = (A M) Wv: the key and value matrices are applied to the
    N queries of each head and not to the L tokens. At N = 6, 6 heads and 196 tokens that is an eighth of the
    multiply-accumulates. The key bias adds the same to all keys of a query and drops out of the softmax. Budgets
    are counted in the usual order, as papers count.

    With ``Projected`` tokens, M = P Wp + bp, Wp too is applied to the queries, within Wk and Wv: M is not computed, and there is no
    gradient of it. bp drops out of the softmax, and as the weights of a query sum to 1, A M = A P Wp + bp.
    """
    assert attn.in_proj_bias is not None
    assert attn.batch_first
    batch, queries, dim = queries_BND.shape
    heads, head_dim = attn.num_heads, attn.head_dim
    w_query, w_key, w_value = in_product_precision(attn.in_proj_weight).chunk(3)
    b_query, _, b_value = attn.in_proj_bias.chunk(3)
    if isinstance(memory, Projected):
        w_proj = in_product_precision(memory.proj.weight)
        if memory.proj.bias is not None:
            b_value = b_value + w_value @ memory.proj.bias
        w_key, w_value, memory = w_key @ w_proj, w_value @ w_proj, memory.tokens_BLC
    width = memory.shape[-1]  # C: of the tokens
    query_BND = F.linear(queries_BND, w_query, b_query) * head_dim**-0.5
    reach_THC = _each_head(query_BND.view(-1, heads, head_dim), w_key.view(heads, head_dim, width))  # T = B * N
    # Memory first: its gradients then all lie in memory as it does, and adding them up costs a fifth.
    reach_BMC = reach_THC.view(batch, queries * heads, width)  # M = N * H
    weights_BML = memory.bmm(reach_BMC.transpose(1, 2)).transpose(1, 2).softmax(-1)
    weights_BML = F.dropout(weights_BML, attn.dropout, attn.training)
    met_THC = weights_BML.bmm(memory).view(-1, heads, width)
    answer_BND = _each_head(met_THC, w_value.view(heads, head_dim, width).mT).view(batch, queries, dim) + b_value
    return attn.out_proj(answer_BND)


def _each_head(input_THC: Tensor, weight_HCD: Tensor) -> Tensor:
    """Rows by head times a matrix of each head, THD. As ``torch.einsum("thc,hcd->thd", ...)``, without its copies."""
    product_THD: Tensor = _EachHead.apply(input_THC.to(weight_HCD.dtype), weight_HCD)
    return product_THD


class _EachHead(torch.autograd.Function):
    """Copies rows between the order of tokens and that of heads once a tensor; a product would copy them every time."""

    @staticmethod
    def forward(ctx: Any, input_THC: Tensor, weight_HCD: Tensor) -> Tensor:
        input_HTC = input_THC.transpose(0, 1).contiguous()
        ctx.save_for_backward(input_HTC, weight_HCD)
        return input_HTC.bmm(weight_HCD).transpose(0, 1).contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_THD: Tensor) -> tuple[Tensor, Tensor]:
        input_HTC, weight_HCD = ctx.saved_tensors
        grad_HTD = grad_THD.transpose(0, 1).contiguous()
        return grad_HTD.bmm(weight_HCD.mT).transpose(0, 1).contiguous(), input_HTC.mT.bmm(grad_HTD)


def attention_weights(attn: nn.MultiheadAttention, queries_BND: Tensor, memory_BLD: Tensor | Projected) -> Tensor:
    """The weights of ``attn(queries, memory, memory)``, weights_BHNL, without dropout and so without a random number.

    >>> attn = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> attention_weights(attn, torch.zeros(1, 3, 8), torch.zeros(1, 4, 8))[0, 0, 0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    assert attn.in_proj_bias is not None
    if isinstance(memory_BLD, Projected):
        memory_BLD = memory_BLD.project()
    w_query, w_key, _ = in_product_precision(attn.in_proj_weight).chunk(3)
    b_query, b_key, _ = attn.in_proj_bias.chunk(3)
    query_BHNd = rearrange(F.linear(queries_BND, w_query, b_query), "b n (h d) -> b h n d", h=attn.num_heads)
    key_BHLd = rearrange(F.linear(memory_BLD, w_key, b_key), "b l (h d) -> b h l d", h=attn.num_heads)
    return (query_BHNd * attn.head_dim**-0.5 @ key_BHLd.transpose(-1, -2)).softmax(-1)


def in_product_precision(weight: Tensor) -> Tensor:
    """A weight in the precision of autocast, where it is on: cast once, before it is cut up, rather than in pieces."""
    kind = weight.device.type
    return weight.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else weight
