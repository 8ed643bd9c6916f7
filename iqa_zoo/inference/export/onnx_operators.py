"""Operators that torch translates to ONNX for the sizes of its example only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def pool_adaptively(maps_BCHW: Any, output_size: Sequence[int]) -> Any:
    """Translate ``aten.adaptive_avg_pool2d`` for maps of any size, as products with matrices that are made in the graph.

    A function of an ONNX graph: inputs and output are its values.
    """
    from onnxscript import opset20 as op

    weights_NH = _average(op, op.Shape(maps_BCHW, start=2, end=3), output_size[0], maps_BCHW)
    weights_NW = _average(op, op.Shape(maps_BCHW, start=3, end=4), output_size[1], maps_BCHW)
    return op.MatMul(op.MatMul(weights_NH, maps_BCHW), op.Transpose(weights_NW, perm=[1, 0]))


def _average(op: Any, side_1: Any, count: int, like: Any) -> Any:
    """Return the matrix that averages the cells from floor(i * side / count) up to ceil((i + 1) * side / count)."""
    index_N1 = op.Unsqueeze(op.Constant(value_ints=list(range(count))), op.Constant(value_ints=[1]))
    count_1, one_1 = op.Constant(value_ints=[count]), op.Constant(value_ints=[1])
    first_N1 = op.Div(op.Mul(index_N1, side_1), count_1)
    end_N1 = op.Div(op.Sub(op.Add(op.Mul(op.Add(index_N1, one_1), side_1), count_1), one_1), count_1)
    position_L = op.Range(op.Constant(value_int=0), op.Squeeze(side_1), op.Constant(value_int=1))
    inside_NL = op.And(op.GreaterOrEqual(position_L, first_N1), op.Less(position_L, end_N1))
    return op.Div(op.CastLike(inside_NL, like), op.CastLike(op.Sub(end_N1, first_N1), like))
