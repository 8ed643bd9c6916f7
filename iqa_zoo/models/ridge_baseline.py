"""The baseline that a decoder has to beat: ridge regression on the means of the stages that decoders read."""

from __future__ import annotations

from typing import Any

from iqa_zoo.registry import register_model


@register_model("ridge_baseline")
def ridge_baseline() -> dict[str, Any]:
    """Ridge regression in closed form on the means of stages 3 and 4 (of EfficientNet-Lite0 unless another backbone is set).

    Its strength is chosen by the leave-one-out error, the generalised cross-validation of scikit-learn's ``RidgeCV``.
    """
    return dict(
        dim=None,
        backbone=dict(type="timm_features", name="tf_efficientnet_lite0", stages=(3, 4)),
        queries=dict(type="stage_means", stages=(3, 4)),
        memory=None,
        interactions=[],
        head=dict(type="ridge"),
        losses=[dict(type="mse")],
    )
