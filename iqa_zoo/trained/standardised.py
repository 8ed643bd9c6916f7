"""A backbone whose features are standardised as those were that a decoder was trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec, spec_of

LEAST_SPREAD = 0.05  # in deviations of the training images: smaller ones over the cells of an image count as equal
PREFIX = "scales."  # of the names of its own tensors


class StandardisedBackbone(nn.Module):
    """A backbone, each channel of whose features is scaled to mean 0 and deviation 1 over the training images.

    From one image it computes what :meth:`iqa_zoo.training.frozen.features.FeatureBank.take` gives of a standardised bank, but for the
    half precision of the bank.

    Args:
        backbone: any.
        scales: mean and deviation of each channel, by array of a bank: ``map3``, ``tokens``, ``global``.
    """

    def __init__(self, backbone: nn.Module, scales: Mapping[str, tuple[Tensor, Tensor]]):
        super().__init__()
        self.backbone = backbone
        self.names = tuple(scales)
        for name, (mean_C, deviation_C) in scales.items():
            self.register_buffer(f"{name}_shift", -mean_C / deviation_C)
            self.register_buffer(f"{name}_factor", 1 / deviation_C)

    @property
    def spec(self) -> FeatureSpec:
        return spec_of(self.backbone)

    def forward(self, image_BCHW: Tensor) -> Features:
        return self.standardise(self.backbone(image_BCHW))

    def standardise(self, features: Features) -> Features:
        """Return standardised features; tokens that are the cells of a stage are those of the standardised stage."""
        maps = {
            stage: self._scale(f"map{stage}", features.maps[stage].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            for stage in self.spec.stages
        }
        stage = self.spec.token_stage
        if stage in maps:
            tokens_BLC = maps[stage].permute(0, 2, 3, 1).flatten(1, 2)
        else:
            tokens_BLC = self._scale("tokens", features.tokens_BLC)
        return Features(maps, tokens_BLC, self._scale("global", features.global_BC))

    def _scale(self, name: str, values: Tensor) -> Tensor:
        """Scale the last dimension."""
        return torch.addcmul(getattr(self, f"{name}_shift"), values, getattr(self, f"{name}_factor"))


def pack_scales(scales: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Return scales as named tensors, to store.

    >>> pack_scales({"map4": (torch.tensor([1.0]), torch.tensor([2.0]))})
    {'scales.map4.mean': tensor([1.]), 'scales.map4.deviation': tensor([2.])}
    """
    pairs = {f"{PREFIX}{name}": pair for name, pair in scales.items()}
    return {
        f"{name}.{part}": value
        for name, pair in pairs.items()
        for part, value in zip(("mean", "deviation"), pair, strict=False)
    }


def unpack_scales(tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the scales among named tensors, the inverse of :func:`pack_scales`."""
    names = sorted({name.removeprefix(PREFIX).rpartition(".")[0] for name in tensors if name.startswith(PREFIX)})
    return {name: (tensors[f"{PREFIX}{name}.mean"], tensors[f"{PREFIX}{name}.deviation"]) for name in names}


def pool_features(features: Features, stages: Collection[int]) -> Tensor:
    """Return pooled_BF of standardised features: what tells unusual images from others.

    That is, of each channel of each stage map, the mean over the cells and the logarithm of the deviation over the cells, which
    is small for an image without structure (black, white). Without stages it is the global vector.
    """
    if not stages:
        return features.global_BC.float()
    maps = [features.maps[stage].float().flatten(2) for stage in stages]
    means = [map_BCL.mean(2) for map_BCL in maps]
    spreads = [(map_BCL.std(2, correction=0) + LEAST_SPREAD).log() for map_BCL in maps]
    return torch.cat([*means, *spreads], dim=1)


def count_pooled(spec: FeatureSpec) -> int:
    """Return the number of features that :func:`pool_features` gives of a backbone."""
    return 2 * sum(info.channels for info in spec.stages.values()) or spec.global_channels
