"""HyperIQA's only query: what several stages say of local distortions, in one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.values import Grid, Size, checked


class LocalDistortion(nn.Module):
    """One query an image, a few numbers from each of several stages: HyperIQA's local distortion aware vector.

    Every stage but the last is brought to few channels, averaged over a grid of cells, and all cells together are projected
    to ``width`` numbers; the last stage is averaged over the image and projected to what is left of the model width.
    From HyperIQA (Su et al., CVPR 2020, "Blindly Assess Image Quality in the Wild Guided by a Self-Adaptive Hyper Network").

    Differs from the released code in two ways that leave its numbers alone: the average is taken before the 1x1
    convolution, with which it commutes, at a fraction of the cost; and the cells share out a map of any size, where the
    released ones are 7 x 7 positions each, so that images larger than 224 are taken too.

    Args:
        stages: the stages to read, the last of them as a whole.
        channels: of each stage but the last, before it is projected.
        grids: cells per side of each stage but the last.
        width: numbers each stage but the last gives; a fourteenth of D where left out, 16 of HyperIQA's 224.

    Raises:
        PartError: lists that do not fit each other, nothing left for the last stage, or a stage the backbone does not give.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({1: StageInfo(8, 4), 4: StageInfo(64, 32)}, 64, 64, 224)
    >>> queries = LocalDistortion(dim=28, features=spec, stages=(1, 4), channels=(4,), grids=(8,))
    >>> queries(Features({1: torch.zeros(2, 8, 56, 56), 4: torch.zeros(2, 64, 7, 7)}, None, None)).shape
    torch.Size([2, 1, 28])
    """

    num_queries = 1

    @checked
    def __init__(
        self,
        *,
        dim: int,
        features: FeatureSpec,
        stages: Sequence[int] = (1, 2, 3, 4),
        channels: Sequence[Size] = (16, 32, 64),
        grids: Sequence[Grid] = (8, 4, 2),
        width: Size | None = None,
    ):
        super().__init__()
        if width is None:
            width = max(1, dim // 14)
        if not len(stages) - 1 == len(channels) == len(grids):
            raise PartError(
                f"stages={tuple(stages)} needs {max(len(stages) - 1, 0)} channels and grids, one for each stage but the "
                f"last, got channels={tuple(channels)} and grids={tuple(grids)}"
            )
        if (left := dim - width * len(channels)) < 1:
            raise PartError(
                f"width={width} for {len(channels)} stages leaves nothing of dim={dim} for stage {stages[-1]}"
            )
        self.stages, self.grids = tuple(stages), tuple(grids)
        widths = [stage_channels(features, stage) for stage in stages]
        self.convs = nn.ModuleList(nn.Conv2d(n, few, 1, bias=False) for n, few in zip(widths, channels, strict=False))
        cells = [few * grid**2 for few, grid in zip(channels, grids, strict=True)]
        self.fcs = nn.ModuleList([*(nn.Linear(n, width) for n in cells), nn.Linear(widths[-1], left)])

    def forward(self, features: Features) -> Tensor:
        maps = [features.maps[stage] for stage in self.stages]
        local = [
            conv(F.adaptive_avg_pool2d(map_BCHW, grid)).flatten(1)
            for map_BCHW, grid, conv in zip(maps, self.grids, self.convs, strict=False)
        ]
        parts = zip([*local, maps[-1].mean((2, 3))], self.fcs, strict=True)
        return torch.cat([fc(part_BC) for part_BC, fc in parts], dim=1)[:, None]
