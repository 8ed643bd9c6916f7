"""DACNN (TCSVT 2022): one network that knows synthetic distortions, one that knows authentic images."""

from __future__ import annotations

from typing import Any

STAGES = (1, 2, 3, 5, 11, 12, 13, 15)  # of the first network, then of the second


def dacnn() -> dict[str, Any]:
    """DACNN: the stages of two frozen EfficientNet-B0, gated by each other pair by pair, and a perceptron."""
    network = dict(type="efficientnet_endpoints", name="tf_efficientnet_b0.aa_in1k")
    return dict(
        dim=288,
        backbone=dict(
            type="multi_backbone",
            branches=[{**network, "unread": [[1000]]}, {**network, "unread": [[1000], [512, 512, 1]]}],
            stages=STAGES,
            freeze=True,
        ),
        queries=dict(type="gated_fusion"),
        memory=None,
        interactions=[],
        head=dict(type="prelu_perceptron", hidden=(512, 512), dropout=0.5),
        losses=[dict(type="l1")],
    )


def dacnn_released() -> dict[str, Any]:
    """DACNN as its released code trains it: the statistics of the frozen networks move all the same."""
    cfg = dacnn()
    cfg["backbone"]["freeze_batch_norm"] = False
    return cfg


dacnn.examples = dacnn_released.examples = (
    {
        "dim": 24,
        "backbone.branches.*.name": "test_efficientnet",
        "backbone.branches.*.image_size": 64,
        "backbone.branches.*.unread": [],
        "head.hidden": [16],
    },
)
