"""A model of built-in parts and this package's own."""

from __future__ import annotations

from typing import Any


def example_iqa() -> dict[str, Any]:
    """ResNet-18, guided queries, two layers of graph convolution and memory gate, a weighted mean of the queries."""
    return dict(
        dim=256,
        backbone=dict(type="timm_features", name="resnet18", stages=(3, 4)),
        queries=dict(type="guided", num_queries=6, stage=4),
        memory=dict(type="grid_pool", stage=3, grid=6),
        interactions=[dict(type="query_gcn", hidden=(128, 64)), dict(type="memory_gate", reduction=4)] * 2,
        head=dict(type="weighted_mean"),
        losses=[dict(type="smooth_l1")],
    )


example_iqa.examples = ({"backbone.name": "test_resnet", "dim": 32, "interactions.*.hidden": [16, 8]},)
