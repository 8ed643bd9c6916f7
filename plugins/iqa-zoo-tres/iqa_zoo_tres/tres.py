"""TReS (WACV 2022): convolutional features of every stage, encoded by a transformer."""

from __future__ import annotations

from typing import Any


def tres() -> dict[str, Any]:
    """TReS on ResNet-50: 49 multi-scale tokens, two pre-norm encoder layers with sine positions, a score beside stage 4."""
    layer = [
        dict(type="positioned_self_attention", num_heads=16, dropout=0.5),
        dict(type="feed_forward", hidden=64, activation="relu", dropout=0.5),
    ]
    return dict(
        dim=3840,
        backbone=dict(type="timm_with_classifier", name="resnet50.tv_in1k", stages=(1, 2, 3, 4), classes=1000),
        queries=dict(type="multi_scale", stages=(1, 2, 3, 4), grid=7, dropout=0.1),
        memory=None,
        interactions=[*layer, *layer, dict(type="layer_norm")],
        head=dict(type="mean_and_stage", stage=4, hidden=2048),
        losses=[
            dict(type="l1"),
            dict(type="mirrored_l1"),
            dict(type="mirror_consistency", stage=4, both_ways=True),
            dict(type="ranking", weight=0.05),
            dict(type="mirrored_ranking", weight=0.05),
            dict(type="ranking_consistency", weight=0.5),
        ],
    )


tres.examples = (
    {
        "backbone.name": "test_resnet",
        "backbone.classes": 10,
        "dim": 32,
        "interactions.*.num_heads": 4,
        "head.hidden": 16,
    },
)
