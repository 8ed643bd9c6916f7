"""HyperIQA (CVPR 2020): how an image is judged depends on what it shows."""

from __future__ import annotations

from typing import Any


def hyperiqa() -> dict[str, Any]:
    """HyperIQA on ResNet-50: a vector of local distortions, scored by a perceptron whose weights the last stage makes."""
    return dict(
        dim=224,
        backbone=dict(type="timm_features", name="resnet50.tv_in1k", stages=(1, 2, 3, 4)),
        queries=dict(type="local_distortion", stages=(1, 2, 3, 4), channels=(16, 32, 64), grids=(8, 4, 2), width=16),
        memory=None,
        interactions=[],
        head=dict(type="hyper_network", stage=4, grid=7, trunk=(1024, 512), channels=112, hidden=(112, 56, 28, 14)),
        losses=[dict(type="l1")],
    )


hyperiqa.examples = ({"backbone.name": "test_resnet", "head.trunk": [64], "head.channels": 32},)
