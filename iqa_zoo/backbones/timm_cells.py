"""A convolutional timm model on whole images: each stage averaged to a fixed grid of cells, whatever the image's size."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_zoo.backbones.timm_features import SEVERAL_OUTPUTS, TimmFeatures, find_stages, one_feature_a_block
from iqa_zoo.contracts import Features, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import Grid, checked

STRIDE = 32  # of the deepest stage: an image of ``cells * STRIDE`` pixels has one position a cell
ATTENTION = {"qkv", "q", "kv", "q_proj", "attn_drop"}  # what timm's attention layers hold


@register_backbone("timm_cells")
class TimmCells(TimmFeatures):
    """Stage maps of a convolutional timm model, averaged to ``cells`` x ``cells`` (adaptive average pooling).

    The image has any size from ``cells * 32`` pixels upwards, and is not cut: one cell is the mean over its share of the
    whole photograph. The tokens are the cells of the model's deepest stage, whichever ``stages`` are read, and the global
    vector is their mean. Layers after the deepest stage (a convolutional head, the classifier) are left out: they are
    neither counted nor computed. Stages are numbered as in ``timm_features``. MACs are counted for an image of
    ``cells * 32`` pixels a side; those of a photograph grow with its pixels.

    Args:
        name: timm's model name, with its weights tag where ``pretrained`` is to fetch particular weights.
        stages: which stage maps to give.
        cells: rows, and columns, of each map.
        pretrained: load ImageNet weights, as in ``timm_features``. Handed down by ``build_model``.

    Raises:
        PartError: no such model in timm, one that takes images of one size only, or a stage that it lacks.
        CheckpointError: the weights cannot be fetched, or the package that has them is missing or another one.

    >>> backbone = TimmCells(name="resnet18", stages=(3, 4), cells=6)
    >>> features = backbone(torch.zeros(1, 3, 250, 330))
    >>> features.maps[3].shape, features.maps[4].shape, features.tokens_BLC.shape
    (torch.Size([1, 256, 6, 6]), torch.Size([1, 512, 6, 6]), torch.Size([1, 36, 512]))
    """

    examples = ({"name": "test_efficientnet", "cells": 2}, {"name": "test_resnet", "cells": 3, "stages": (2, 4)})

    @checked
    def __init__(self, *, name: str, stages: Sequence[int] = (3, 4), cells: Grid = 6, pretrained: bool = False):
        super().__init__(name=name, stages=stages, pretrained=pretrained)
        index, available = find_stages(self.model)
        if self.fixed_size or one_feature_a_block(self.model) or not available:
            reason = "takes images of one size only" if self.fixed_size else "has no stages of different strides"
            raise PartError(
                f"timm's {name!r} {reason}, and 'timm_cells' pools the stages of whole images of any size; "
                "use 'timm_features', or a convolutional model such as 'tf_efficientnet_lite0'"
            )
        self.cells = cells
        self.pooled_stages = tuple(sorted({*stages, available[-1]}))
        self._map_index = {stage: index[stage] for stage in self.pooled_stages}
        held = set(self.model.state_dict())
        deepest = index[available[-1]]
        self.model.prune_intermediate_layers([deepest], prune_norm=True, prune_head=True)
        self.left_out = frozenset(held - set(self.model.state_dict()))  # of timm's state dict, for load_weights
        width = int(self.model.feature_info[deepest]["num_chs"])
        self.spec = replace(
            self.spec,
            stages={stage: StageInfo(info.channels, STRIDE) for stage, info in self.spec.stages.items()},
            token_channels=width,
            global_channels=width,
            image_size=cells * STRIDE,
            token_stage=available[-1],
            view="whole",
        )

    def forward(self, image_BCHW: Tensor) -> Features:
        wanted = sorted(set(self._map_index.values()))
        maps = self.model.forward_intermediates(
            image_BCHW, indices=wanted, norm=False, output_fmt="NCHW", intermediates_only=True
        )
        by_index = dict(zip(wanted, maps, strict=True))
        pooled = {s: F.adaptive_avg_pool2d(by_index[self._map_index[s]], self.cells) for s in self.pooled_stages}
        return self.make_features(pooled)

    def make_features(self, maps: Mapping[int, Tensor]) -> Features:
        """Make the features of pooled stage maps BCHW, of which there are ``pooled_stages``: the forward pass ends here."""
        tokens_BLC = maps[self.pooled_stages[-1]].flatten(2).transpose(1, 2)
        return Features({stage: maps[stage] for stage in self.stages}, tokens_BLC, tokens_BLC.mean(1))


@functools.cache
def is_convolutional(name: str) -> bool:
    """Return whether a timm model is made of convolutions and takes images of any size, so that ``timm_cells`` suits it.

    False for a name that timm does not know. The model is built on the meta device, which computes nothing.

    >>> is_convolutional("resnet18"), is_convolutional("deit_tiny_patch16_224"), is_convolutional("pvt_v2_b0")
    (True, False, False)
    """
    import timm

    base = name.split(".")[0]
    if not timm.is_model(base):
        return False
    known = timm.get_pretrained_cfg(base)
    if known is not None and known.fixed_input_size:
        return False
    with torch.device("meta"):
        model = timm.create_model(base, num_classes=0)
    strides = {int(info["reduction"]) for info in getattr(model, "feature_info", ())}
    attends = any(ATTENTION & set(dict(each.named_children())) for each in model.modules())
    return STRIDE in strides and len(strides) > 1 and not attends and type(model).__name__ not in SEVERAL_OUTPUTS
