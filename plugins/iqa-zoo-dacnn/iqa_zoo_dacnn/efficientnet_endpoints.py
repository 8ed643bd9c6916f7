"""An EfficientNet that gives its head's map too, and keeps layers that nobody reads, as DACNN's released model does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import timm
from torch import Tensor, nn

from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.contracts import Features, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.values import Pixels, Size, checked

HEAD_STAGE, HEAD_STRIDE = 5, 32


class EfficientNetEndpoints(TimmFeatures):
    """``timm_features`` of an EfficientNet with one more stage: the map of its convolutional head, after norm and SiLU.

    Stages 1 to 4 are the outputs at stride 4, 8, 16 and 32, stage 5 the head's, at stride 32 too (1280 channels in
    EfficientNet-B0); the tokens are the cells of stage 5. DACNN (Pan et al., TCSVT 2022) reads stages 1, 2, 3 and 5, its
    endpoints reduction 2 to 5.

    The released DACNN carries layers that its forward never reads, 3.48 of the 14.31 million parameters it is known by:
    the ImageNet classifiers of both networks and the perceptron that one of them was trained with. ``unread`` makes such
    layers, which are counted and not trained; left out, the model gives the same scores.

    Args:
        name: timm's model name, of an EfficientNet or MobileNet.
        stages: which stage maps to give.
        image_size: height and width of the input in pixels; the model's own where left out.
        model_args: arguments that timm's model takes.
        unread: perceptrons that nobody reads, each by the widths of its linear layers. They start at random, with
            ``pretrained`` too.
        pretrained: fetch timm's weights. Handed down by ``build_model``.

    Raises:
        PartError: no EfficientNet of that name in timm, a stage that it lacks, or arguments that it does not take.
        CheckpointError: the weights cannot be fetched.

    >>> backbone = EfficientNetEndpoints(name="tf_efficientnet_b0", stages=(3, 5), unread=[[1000]])
    >>> backbone.spec.stages[5], sum(p.numel() for p in backbone.unread.parameters())
    (StageInfo(channels=1280, stride=32), 1281000)
    """

    examples = ({"name": "test_efficientnet", "stages": (5, 2), "image_size": 64},)

    @checked
    def __init__(
        self,
        *,
        name: str,
        stages: Sequence[int] = (),
        image_size: Pixels | None = None,
        model_args: Mapping[str, Any] | None = None,
        unread: Sequence[Sequence[Size]] = (),
        pretrained: bool = False,
    ):
        super().__init__(
            name=name,
            stages=tuple(stage for stage in stages if stage != HEAD_STAGE),
            image_size=image_size,
            model_args=model_args,
            pretrained=pretrained,
        )
        if not isinstance(self.model, timm.models.EfficientNet):
            raise PartError(f"{name!r} is no EfficientNet of timm's; timm_features takes any model")
        self.asked = tuple(stages)
        head = StageInfo(self.spec.token_channels, HEAD_STRIDE)
        self.spec = replace(
            self.spec,
            stages={stage: head if stage == HEAD_STAGE else self.spec.stages[stage] for stage in self.asked},
            available_stages=(*self.spec.available_stages, HEAD_STAGE),
            token_stage=HEAD_STAGE,
        )
        self.unread = nn.ModuleList(_linears(self.spec.token_channels, widths) for widths in unread)

    def forward(self, image_BCHW: Tensor) -> Features:
        features = super().forward(image_BCHW)
        cells = tuple(-(-side // HEAD_STRIDE) for side in image_BCHW.shape[-2:])
        head_BCHW = features.tokens_BLC.transpose(1, 2).unflatten(2, cells)
        maps = {stage: head_BCHW if stage == HEAD_STAGE else features.maps[stage] for stage in self.asked}
        return Features(maps, features.tokens_BLC, features.global_BC)


def _linears(channels: int, widths: Sequence[int]) -> nn.Module:
    layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise([channels, *widths])]
    return nn.ModuleList(layers).requires_grad_(False)
