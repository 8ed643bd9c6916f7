"""The outputs of a backbone at several depths, averaged over the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.build import build_backbone
from iqa_zoo.config import Config, load_config, resolve_config
from iqa_zoo.contracts import Features, StageInfo, spec_of
from iqa_zoo.errors import InputError
from iqa_zoo.placing import name_backbone
from iqa_zoo.training.frozen.features import FeatureBank


class LevelVectors(nn.Module):
    """A backbone whose outputs at several depths (levels) are averaged over the image: maps of one cell each.

    Levels are the stages of the backbone, or with ``every_block`` all outputs that timm gives of it: of a plain
    transformer the output of each block, of a hierarchical one those of its stages and, where it has one, its stem.

    Args:
        backbone: with the stages that are to be read.
        every_block: see above; for ``timm_features`` only.

    Attributes:
        names: what each level is called, by its number.

    Raises:
        InputError: ``every_block`` of a backbone that is not timm's.

    >>> import torch
    >>> levels = LevelVectors(TimmFeatures(name="resnet18", stages=(1, 2, 3, 4)))
    >>> levels.names[1], [tuple(m.shape) for m in levels(torch.zeros(2, 3, 64, 64)).maps.values()][:2]
    ('stage 1', [(2, 64, 1, 1), (2, 128, 1, 1)])
    """

    def __init__(self, backbone: nn.Module, *, every_block: bool = False):
        super().__init__()
        self.backbone = backbone
        spec = spec_of(backbone)
        self.every_block = every_block
        if every_block:
            if not isinstance(backbone, TimmFeatures):
                raise InputError(f"only timm's backbones give their blocks, and this is a {type(backbone).__name__}")
            info = backbone.model.feature_info
            channels = {i + 1: int(info[i]["num_chs"]) for i in range(len(info))}
            strides = [int(info[i]["reduction"]) for i in range(len(info))]
            plain = len(set(strides)) == 1 and len(strides) > 1
            self.names = {i: f"block {i}" if plain else f"stride {strides[i - 1]}" for i in channels}
        else:
            channels = {stage: info.channels for stage, info in spec.stages.items()}
            self.names = {stage: f"stage {stage}" for stage in channels}
        stages = {level: StageInfo(width, spec.image_size) for level, width in channels.items()}
        last = max(stages)
        self.spec = replace(
            spec,
            stages=stages,
            available_stages=tuple(stages),
            token_stage=last,
            token_channels=channels[last],
            global_channels=channels[last],
        )

    def forward(self, image_BCHW: Tensor) -> Features:
        if self.every_block:
            given = self.backbone.model.forward_intermediates(  # type: ignore[union-attr, operator]
                image_BCHW, norm=False, output_fmt="NCHW", intermediates_only=True
            )
            maps = dict(zip(self.spec.stages, given, strict=True))
        else:
            maps = self.backbone(image_BCHW).maps
        return self.make_features(maps)

    def make_features(self, maps: Mapping[int, Tensor]) -> Features:
        """Make the features of stage maps BCHW: each averaged over the image."""
        averaged = {level: maps[level].mean((2, 3), keepdim=True) for level in self.spec.stages}
        last_BC = averaged[max(averaged)].flatten(1)
        return Features(averaged, last_BC[:, None], last_BC)


def full_config(name: str, view: str = "crops", stages: Sequence[int] | None = None) -> Config:
    """Return the config of a backbone, registered or timm's, with every stage it has.

    Args:
        name: of the backbone.
        view: "whole" for a convolutional timm model on whole images.
        stages: in place of every stage.

    Raises:
        ConfigError: no such backbone.

    >>> full_config("resnet18")["stages"]
    [1, 2, 3, 4]
    """
    given = name_backbone(name, view)
    with torch.device("meta"):
        available = stages or spec_of(build_backbone({"backbone": given})).available_stages
    config: Config = resolve_config(probe_carrier({**given, "stages": list(available)}))["backbone"]
    return config


def probe_carrier(backbone: Config) -> Config:
    """The linear probe on a backbone, to build the backbone with its weights."""
    return {**load_config("linear_probe"), "backbone": backbone}


def level_vectors(bank: FeatureBank, level: int) -> NDArray[np.float64]:
    """The vectors of one level, the mean over the cached crops: (images, channels)."""
    return np.asarray(bank.arrays[f"map{level}"], dtype=np.float64).mean((1, 2, 3))
