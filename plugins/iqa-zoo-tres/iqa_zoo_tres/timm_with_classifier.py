"""A timm backbone that keeps a classifier nobody reads, as TReS's released model does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.values import Pixels, Size, checked


class TimmWithClassifier(TimmFeatures):
    """``timm_features`` with an ImageNet classifier beside it that is counted, not trained, and never read.

    The released TReS keeps ResNet-50's, 2.05 of the 152.45 million parameters it is known by. With ``timm_features`` in
    its place the model has 150.40 million and the same scores.

    Args:
        name: timm's model name.
        stages: which stage maps to give.
        image_size: height and width of the input in pixels; the model's own where left out.
        final_norm: keep the model's final norm.
        model_args: arguments that timm's model takes.
        classes: outputs of the classifier; none where left out. It starts at random, with ``pretrained`` too.
        pretrained: fetch timm's weights. Handed down by ``build_model``.

    Raises:
        PartError: no such model in timm, a stage that it lacks, or arguments that it does not take.
        CheckpointError: the weights cannot be fetched.

    >>> sum(p.numel() for p in TimmWithClassifier(name="resnet18", classes=10).classifier.parameters())
    5130
    """

    examples = (
        {"name": "test_resnet", "stages": (4, 3), "image_size": 64},
        {"name": "test_resnet", "stages": (4,), "image_size": 64, "classes": 5},
    )

    @checked
    def __init__(
        self,
        *,
        name: str,
        stages: Sequence[int] = (),
        image_size: Pixels | None = None,
        final_norm: bool = True,
        model_args: Mapping[str, Any] | None = None,
        classes: Size | None = None,
        pretrained: bool = False,
    ):
        super().__init__(
            name=name,
            stages=stages,
            image_size=image_size,
            final_norm=final_norm,
            model_args=model_args,
            pretrained=pretrained,
        )
        if classes is not None:
            self.classifier = nn.Linear(self.spec.global_channels, classes).requires_grad_(False)
