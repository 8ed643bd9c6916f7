"""DACNN's only query: the stages of two networks, gated by each other, in one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels


class MultiScaleFeatures(nn.Module):
    """DACNN's multi-scale feature block (MSFB): three views of a map at half its size, side by side.

    A 1x1 convolution, a 3x3 one, and two 3x3 ones in a row, for receptive fields of 1, 3 and 7; the first of each has
    stride 2. Between them and after them stands no activation.

    Args:
        channels: of the map.
        width: of each view.

    >>> MultiScaleFeatures(channels=4, width=2)(torch.zeros(1, 4, 7, 7)).shape
    torch.Size([1, 6, 4, 4])
    """

    def __init__(self, *, channels: int, width: int):
        super().__init__()
        self.point = nn.Conv2d(channels, width, 1, stride=2)
        self.near = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.wide = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return torch.cat([self.point(map_BCHW), self.near(map_BCHW), self.wide(map_BCHW)], dim=1)


class MutualGates(nn.Module):
    """DACNN's weighting block (WGB): each of two maps times a gate that both of them make, side by side.

    Args:
        channels: of each map.

    >>> MutualGates(channels=4)(torch.zeros(1, 4, 7, 7), torch.zeros(1, 4, 7, 7)).shape
    torch.Size([1, 8, 7, 7])
    """

    def __init__(self, *, channels: int):
        super().__init__()
        self.first = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.second = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, first_BCHW: Tensor, second_BCHW: Tensor) -> Tensor:
        both_BCHW = torch.cat([first_BCHW, second_BCHW], dim=1)
        gates = self.first(both_BCHW).sigmoid(), self.second(both_BCHW).sigmoid()
        return torch.cat([first_BCHW * gates[0], second_BCHW * gates[1]], dim=1)


class GatedFusion(nn.Module):
    """One query an image: the stages of two networks, each pair gated by each other, averaged and side by side.

    Of each pair of stages, one of either network, a block of three receptive fields makes two maps at half the size, each
    is multiplied by a gate that both make, another such block fuses them, and its mean over the image is a part of the
    query. From DACNN (Pan et al., TCSVT 2022, "DACNN: Blind Image Quality Assessment via a Distortion-Aware Convolutional
    Neural Network"), where one network knows synthetic distortions and the other authentic ones. Its two networks stand in
    a ``multi_backbone``.

    Args:
        stages: those of the first network, then as many of the second, in the same order. Where left out, all of either
            branch of a ``multi_backbone`` of two; of a single backbone each stage, paired with itself.

    Raises:
        PartError: stages that are no pairs, that the backbone does not give or whose strides differ, or a width that
            does not share out.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({1: StageInfo(8, 4), 11: StageInfo(5, 4)}, 64, 64, 224)
    >>> queries = GatedFusion(dim=12, features=spec, stages=(1, 11))
    >>> queries(Features({1: torch.zeros(2, 8, 56, 56), 11: torch.zeros(2, 5, 56, 56)}, None, None)).shape
    torch.Size([2, 1, 12])
    """

    num_queries = 1
    examples = ({"stages": (1, 2, 1, 2)},)

    def __init__(self, *, dim: int, features: FeatureSpec, stages: Sequence[int] | None = None):
        super().__init__()
        if stages is None:
            stages = _all_stages(features)
        pairs = len(stages) // 2
        if not stages or len(stages) % 2:
            raise PartError(f"stages={tuple(stages)} are no pairs; give those of one network, then as many of another")
        if dim % (3 * pairs):
            near = max(1, round(dim / (3 * pairs))) * 3 * pairs
            raise PartError(
                f"dim={dim} does not share out over {pairs} pairs of 3 fields; the nearest that does is {near}"
            )
        width = dim // (3 * pairs)
        self.pairs = tuple(zip(stages[:pairs], stages[pairs:], strict=True))
        channels = {stage: stage_channels(features, stage) for stage in stages}
        for first, second in self.pairs:
            strides = features.stages[first].stride, features.stages[second].stride
            if strides[0] != strides[1]:
                raise PartError(
                    f"the stages {first} and {second} are a pair, and have the strides {strides[0]} and {strides[1]}"
                )

        def fields(channels: Sequence[int]) -> nn.ModuleList:
            return nn.ModuleList(MultiScaleFeatures(channels=n, width=width) for n in channels)

        self.first = fields([channels[first] for first, _ in self.pairs])
        self.second = fields([channels[second] for _, second in self.pairs])
        self.gates = nn.ModuleList(MutualGates(channels=3 * width) for _ in self.pairs)
        self.fused = fields([6 * width] * pairs)

    def forward(self, features: Features) -> Tensor:
        means = []
        for i, (first, second) in enumerate(self.pairs):
            gated_BCHW = self.gates[i](self.first[i](features.maps[first]), self.second[i](features.maps[second]))
            means.append(self.fused[i](gated_BCHW).mean((2, 3)))
        return torch.cat(means, dim=1)[:, None]


def _all_stages(features: FeatureSpec) -> list[int]:
    """Those of the first branch, then those of the second (from 11 on); of a single backbone its own, twice."""
    first = [stage for stage in features.stages if stage < 10]
    second = [stage for stage in features.stages if stage > 10]
    return first + (second or first)
