"""The cost of each operator: formulas for products, other counted operations, and free operators.

Costs are multiply-accumulates (MACs) of matrix products and convolutions, as in papers. Operators are those of a ``torch.jit``
trace. An operator that is not listed here is an error, because a wrong count is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import torch

from iqa_zoo.budgets._fvcore import batchnorm_flop_jit, elementwise_flop_counter, get_shape, norm_flop_counter

# fvcore's operator handle: (inputs, outputs) of a traced node -> a number
Handle = Callable[[list[Any], list[Any]], int | float]


class Formula(NamedTuple):
    """MACs of one operator: the function and its description."""

    macs: Handle
    description: str


def _shape(value: Any) -> list[int]:
    shape = get_shape(value)
    assert shape is not None, "a trace knows every shape"
    return shape


def _size(value: Any) -> int:
    return prod(_shape(value))


def _product(inputs: list[Any], outputs: list[Any]) -> int:
    return _size(outputs[0]) * _shape(inputs[0])[-1]


def _product_and_sum(inputs: list[Any], outputs: list[Any]) -> int:
    return _size(outputs[0]) * _shape(inputs[1])[-1]  # inputs[0] is the summand


def _convolution(inputs: list[Any], outputs: list[Any]) -> int:
    transposed = inputs[6].toIValue()  # bool for aten::_convolution; the groups, an int, for aten::_convolution_mode
    cells = _size(inputs[0] if transposed is True else outputs[0])
    return cells * prod(_shape(inputs[1])[1:])


def _einsum(inputs: list[Any], outputs: list[Any]) -> int:
    from torch.utils.flop_counter import FlopCounterMode  # imports triton

    shapes = [_shape(value) for value in inputs[1].node().inputs()]
    with FlopCounterMode(display=False) as counter:  # torch contracts pairwise, in its own order
        torch.einsum(inputs[0].toIValue(), *(torch.empty(shape, device="meta") for shape in shapes))
    return counter.get_total_flops() // 2


def _attention(query: Sequence[int], keys: int, value_width: int) -> int:
    return prod(query[:-1]) * keys * (query[-1] + value_width)


def _scaled_dot_product_attention(inputs: list[Any], outputs: list[Any]) -> int:
    query, key, value = (_shape(v) for v in inputs[:3])
    return _attention([*_shape(outputs[0])[:-1], query[-1]], key[-2], value[-1])


def _native_multi_head_attention(inputs: list[Any], outputs: list[Any]) -> int:
    query, key, value = (_shape(v) for v in inputs[:3])
    projections = (2 * prod(query[:-1]) + prod(key[:-1]) + prod(value[:-1])) * query[
        -1
    ] ** 2  # query, key, value, output
    return projections + _attention(query, key[1], query[-1])


def _transformer_encoder_layer(inputs: list[Any], outputs: list[Any]) -> int:
    tokens = _shape(inputs[0])
    feed_forward = _size(inputs[14]) + _size(inputs[16])
    return prod(tokens[:-1]) * (4 * tokens[-1] ** 2 + feed_forward) + _attention(tokens, tokens[1], tokens[-1])


_PRODUCT = Formula(_product, "output x summed width")
_SUM = Formula(_product_and_sum, "output x summed width")
_CONVOLUTION = Formula(_convolution, "output x kernel area x input channels / groups; of the input where transposed")
_ATTENTION = "queries x keys x (key width + value width), summed over heads"

FORMULAS: dict[str, Formula] = {
    "aten::linear": Formula(_product, "output x input width"),
    "aten::matmul": _PRODUCT,
    "aten::mm": _PRODUCT,
    "aten::bmm": _PRODUCT,
    "aten::mv": _PRODUCT,
    "aten::dot": _PRODUCT,
    "aten::addmm": _SUM,
    "aten::baddbmm": _SUM,
    "aten::addmv": _SUM,
    "aten::einsum": Formula(_einsum, "MACs of torch's pairwise contraction"),
    "aten::_convolution": _CONVOLUTION,
    "aten::_convolution_mode": _CONVOLUTION,
    "aten::scaled_dot_product_attention": Formula(_scaled_dot_product_attention, _ATTENTION),
    "aten::_native_multi_head_attention": Formula(
        _native_multi_head_attention, f"four projections of the width squared per token, and {_ATTENTION}"
    ),
    "aten::_transformer_encoder_layer_fwd": Formula(
        _transformer_encoder_layer, f"attention's projections and the feed-forward matrices per token, and {_ATTENTION}"
    ),
}

# No products; fvcore counts 1 to 5 operations per element. Reported as ``Budget.other_ops``, not as MACs.
OTHER_OPS: dict[str, Handle] = {
    "aten::batch_norm": batchnorm_flop_jit,
    "aten::group_norm": norm_flop_counter(2),
    "aten::layer_norm": norm_flop_counter(2),
    "aten::rms_norm": norm_flop_counter(2),
    "aten::instance_norm": norm_flop_counter(1),
    "aten::upsample_nearest2d": elementwise_flop_counter(0, 1),
    "aten::upsample_bilinear2d": elementwise_flop_counter(0, 4),
    "aten::_upsample_bilinear2d_aa": elementwise_flop_counter(0, 4),
    "aten::upsample_bicubic2d": elementwise_flop_counter(0, 16),
    "aten::adaptive_avg_pool2d": elementwise_flop_counter(1, 0),
    "aten::grid_sampler": elementwise_flop_counter(0, 4),
}

# Neither products nor counted by fvcore.
_ZERO_COST = """
    Bool Float FloatImplicit Int IntImplicit ScalarImplicit __and__ __or__ __xor__ __lshift__ __rshift__
    __contains__ __getitem__ _shape_as_tensor dim len numel size is_floating_point item

    alias as_strided atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to cat channel_shuffle
    chunk clone col2im column_stack concat concatenate constant_pad_nd contiguous copy detach diag diag_embed
    diagonal dstack expand expand_as flatten flip fliplr flipud hstack im2col lift_fresh mH mT meshgrid movedim
    moveaxis narrow numpy_T pad permute pixel_shuffle pixel_unshuffle ravel reflection_pad1d reflection_pad2d
    reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape
    reshape_as resolve_conj resolve_neg roll rot90 select select_scatter slice slice_scatter split split_with_sizes
    squeeze stack swapaxes swapdims t T tensor_split tile to transpose tril triu type_as unbind unflatten unfold
    unsafe_chunk unsafe_split unsqueeze view view_as vstack

    arange bernoulli empty empty_like eye full full_like linspace new_empty new_full new_ones new_tensor new_zeros
    normal ones ones_like rand rand_like randint randn randn_like randperm tensor tril_indices triu_indices uniform
    zeros zeros_like

    argmax argmin argsort argwhere bincount bucketize embedding fill gather index index_add index_copy index_fill
    index_put index_select isin kthvalue masked_fill masked_scatter masked_select nonzero nonzero_numpy one_hot put
    scatter scatter_add scatter_reduce searchsorted sort take take_along_dim topk unique unique_consecutive
    unique_dim where

    abs absolute acos add addcdiv addcmul asin atan atan2 bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp
    clamp_max clamp_min clip cos cosh deg2rad div divide erf erfc erfinv exp exp2 expm1 fix float_power floor
    floor_divide fmax fmin fmod frac hypot lerp lgamma log log10 log1p log2 logaddexp logical_and logical_not
    logical_or logical_xor logit maximum minimum mul multiply nan_to_num neg negative pow reciprocal remainder round
    rsqrt rsub sgn sigmoid sign sin sinh sqrt square sub subtract tan tanh true_divide trunc xlogy allclose eq equal
    ge greater greater_equal gt isclose isfinite isinf isnan le less less_equal lt ne not_equal

    celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid mish prelu relu relu6 rrelu
    selu silu softplus softshrink threshold softmax _softmax log_softmax _log_softmax alpha_dropout dropout
    feature_alpha_dropout feature_dropout native_dropout

    all amax amin aminmax any cosine_similarity count_nonzero cummax cummin cumprod cumsum diff frobenius_norm
    linalg_norm linalg_vector_norm logcumsumexp logsumexp max mean median min mode nanmean nansum norm
    pairwise_distance prod quantile std std_mean sum trace var var_mean

    adaptive_avg_pool1d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d
    avg_pool2d avg_pool3d lp_pool2d max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d
    max_unpool2d local_response_norm upsample_linear1d upsample_nearest1d upsample_nearest3d upsample_trilinear3d
"""
ZERO_COST = {f"aten::{name}{in_place}" for name in _ZERO_COST.split() for in_place in ("", "_")}


def add_formula(operator: str, macs: Handle | None, description: str = "added by the user") -> None:
    """Add the cost of an operator that a custom part uses and the zoo does not know.

    Args:
        operator: its name in a trace, as given in the error message.
        macs: maps (inputs, outputs) of the traced node to multiply-accumulates, like fvcore's operator handles;
            ``fvcore.nn.jit_handles.get_shape`` reads a shape. ``None`` if it contains no matrix product.
        description: the formula as text.

    >>> add_formula("aten::fft_rfft2", None)
    """
    if macs is None:
        ZERO_COST.add(operator)
    else:
        FORMULAS[operator] = Formula(macs, description)


def format_operator(operator: str) -> str:
    """Format an operator's name for a report.

    >>> format_operator("aten::_convolution"), format_operator("torchvision::nms")
    ('convolution', 'torchvision::nms')
    """
    return operator.removeprefix("aten::").lstrip("_")
