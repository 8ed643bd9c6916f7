"""A model as ONNX: torch's graph behind a resize with Pillow's filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.views import LONGEST_SIDE
from iqa_zoo.inference.export.graph import ScoreGraph, record_graph
from iqa_zoo.inference.export.onnx_operators import pool_adaptively
from iqa_zoo.inference.scaled_model import ScaledModel

OPSET = 20
IMAGE, SCORE, FITTED = "image", "score", "fitted"  # the names of the input, the output, and what enters torch's graph

# The size is that of iqa_zoo.inference.export.resize.compute_fitted_size. All four sizes are given: with `axes`, onnxruntime moves the
# transposition behind the resize and then refuses the graph.
RESIZE = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
resize (uint8[batch, height, width, 3] {image}) => (uint8[batch, fitted_height, fitted_width, 3] {fitted})
<int64[1] smallest = {{{smallest}}}, double[1] least = {{{smallest}}}, double[1] most = {{{longest}}}, double[1] one = {{1}}> {{
  sides = Shape <start = 1, end = 3> ({image})
  exact = Cast <to = 11> (sides)
  short = ReduceMin <keepdims = 1> (exact)
  long = ReduceMax <keepdims = 1> (exact)
  enlarging = Div (least, short)
  reducing = Div (most, long)
  reducing_only = Min (reducing, one)
  scale = Max (enlarging, reducing_only)
  scaled = Mul (exact, scale)
  rounded = Round (scaled)
  whole = Cast <to = 7> (rounded)
  size = Max (whole, smallest)
  planes = Transpose <perm = [0, 3, 1, 2]> ({image})
  others = Shape <start = 0, end = 2> (planes)
  sizes = Concat <axis = 0> (others, size)
  resized = Resize <mode = "cubic", antialias = 1, cubic_coeff_a = -0.5, exclude_outside = 1,
    coordinate_transformation_mode = "half_pixel"> (planes, , , sizes)
  {fitted} = Transpose <perm = [0, 2, 3, 1]> (resized)
}}
"""


def make_onnx(model: ScaledModel, crops: int) -> Any:
    """Return the ``onnx.ModelProto`` of a model: uint8 ``image`` (batch, height, width, 3) of any size -> ``score`` (batch).

    Args:
        model: in eval mode.
        crops: an image is scored as the mean of so many crops.
    """
    import onnx

    # ONNX has the products of attention, whose memory layout differs from that of torch's fused kernels on a CPU; a view of the one is
    # not a view of the other, so that the graph is recorded and translated with the products.
    with sdpa_kernel(SDPBackend.MATH):
        graph = torch.onnx.export(
            record_graph(ScoreGraph(model, crops, resizes=False)),
            dynamo=True,
            verbose=False,
            optimize=False,  # every runtime does it, in a fraction of the time
            opset_version=OPSET,
            output_names=[SCORE],
            custom_translation_table={
                torch.ops.aten.adaptive_avg_pool2d.default: pool_adaptively,
                torch.ops.aten._adaptive_avg_pool2d.default: pool_adaptively,
            },
        )
    assert graph is not None
    main = graph.model_proto
    name_types(main)
    resize = make_resize(model.model.spec, main.ir_version)
    main = onnx.compose.add_prefix(main, "model/", rename_inputs=False, rename_outputs=False)
    (given,) = (value.name for value in main.graph.input)
    merged = onnx.compose.merge_models(resize, main, [(FITTED, given)])
    merged.producer_name = "iqa_zoo"
    onnx.checker.check_model(merged)
    return merged


def name_types(model: Any) -> None:
    """Replace casts to the type of another value by casts to that type, which onnxruntime computes in advance, where it is known."""
    import onnx

    graph, known = model.graph, onnx.shape_inference.infer_shapes(model).graph
    values = (*known.input, *known.output, *known.value_info)
    types = {each.name: each.type.tensor_type.elem_type for each in values}
    types |= {each.name: each.data_type for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "CastLike" and types.get(node.input[1]):
            node.op_type = "Cast"
            node.attribute.append(onnx.helper.make_attribute("to", types[node.input[1]]))
            del node.input[1]


def make_resize(spec: FeatureSpec, ir_version: int) -> Any:
    """Return the ``onnx.ModelProto`` that fits images to a model: ``image`` of any size -> ``fitted``."""
    import onnx

    longest = LONGEST_SIDE if spec.view == "whole" else 2**31
    names = dict(ir=ir_version, opset=OPSET, image=IMAGE, fitted=FITTED)
    return onnx.parser.parse_model(RESIZE.format(**names, smallest=spec.image_size, longest=longest))


class OnnxRunner:
    """Scores by a file of ONNX in onnxruntime, on a CPU with torch's number of threads."""

    def __init__(self, content: bytes):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.name = f"onnxruntime {onnxruntime.__version__}"

    def __call__(self, image_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        (score_B,) = self.session.run([SCORE], {IMAGE: image_BHWC})
        return np.asarray(score_B)


def add_metadata(model: Any, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a ``ModelProto`` with metadata, which replace torch's notes on every operator."""
    import onnx

    for each in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del each.metadata_props[:]
    onnx.helper.set_model_props(model, dict(metadata))
    content: bytes = model.SerializeToString()
    return content
