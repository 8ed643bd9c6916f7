"""A perceptron on the means of stages 3 and 4: the ridge baseline with one hidden layer."""

from __future__ import annotations

from typing import Any

from iqa_zoo.models.ridge_baseline import ridge_baseline
from iqa_zoo.registry import register_model


@register_model("pooled_mlp")
def pooled_mlp() -> dict[str, Any]:
    """A perceptron of one hidden layer on the means of stages 3 and 4 (of EfficientNet-Lite0 unless another backbone is set)."""
    return {
        **ridge_baseline(),
        "head": dict(type="mlp", hidden=128),
        "losses": [dict(type="smooth_l1")],
    }
