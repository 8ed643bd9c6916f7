"""CLIP's image tower: a vision transformer whose global vector lies beside the vectors of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.contracts import Features
from iqa_zoo.errors import PartError
from iqa_zoo.values import Pixels, Size, checked


class ClipImage(TimmFeatures):
    """``timm_features`` whose global vector is CLIP's image embedding: projected without bias, and of length one.

    CLIP: Radford et al., ICML 2021, https://arxiv.org/abs/2103.00020. Stage maps and tokens are those of
    ``timm_features``. ``pretrained`` fetches the projection too, where ``width`` is the one it was trained with.

    Args:
        name: timm's model name; one of CLIP's has the weights tag ``openai``.
        width: of the embedding.
        stages: which stage maps to give.
        image_size: height and width of the input in pixels; the model's own where left out.
        model_args: arguments that timm's model takes.
        pretrained: fetch timm's weights. Handed down by ``build_model``.

    Raises:
        PartError: no such model in timm, a stage that it lacks, arguments that it does not take, or one whose
            classifier is not a linear layer.
        CheckpointError: the weights cannot be fetched.

    >>> import torch
    >>> embedding_BC = ClipImage(name="test_vit", width=8)(torch.rand(2, 3, 160, 160)).global_BC
    >>> embedding_BC.shape, embedding_BC.norm(dim=1).allclose(torch.ones(2))
    (torch.Size([2, 8]), True)
    """

    examples = ({"name": "test_vit", "stages": (2, 4), "image_size": 64, "width": 8},)

    @checked
    def __init__(
        self,
        *,
        name: str = "vit_base_patch32_clip_quickgelu_224.openai",
        width: Size = 512,
        stages: Sequence[int] = (),
        image_size: Pixels | None = None,
        model_args: Mapping[str, Any] | None = None,
        pretrained: bool = False,
    ):
        super().__init__(
            name=name,
            stages=stages,
            image_size=image_size,
            model_args={**(model_args or {}), "num_classes": width},  # the projection is timm's classifier
            pretrained=pretrained,
        )
        classifier = self.model.get_classifier()
        if not isinstance(classifier, nn.Linear):
            raise PartError(f"timm's {name!r} has no linear layer to project with; choose a vision transformer")
        self.proj = nn.Linear(classifier.in_features, width, bias=False)
        self.proj.weight = classifier.weight
        self.model.reset_classifier(0)
        self.spec = replace(self.spec, global_channels=width)

    def forward(self, image_BCHW: Tensor) -> Features:
        features = super().forward(image_BCHW)
        features.global_BC = F.normalize(self.proj(features.global_BC), dim=-1)
        return features
