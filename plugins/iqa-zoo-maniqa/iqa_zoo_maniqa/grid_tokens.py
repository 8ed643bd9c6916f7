"""Stage maps side by side, a query a cell: what MANIQA's decoder works on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.values import Grid, checked


class GridTokens(nn.Module):
    """Stage maps on one grid, their channels side by side, each cell a query: N = grid^2.

    The input of MANIQA's decoder (Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958): the patches of four ViT
    blocks, 4 x 768 channels. Differs from the released code in that maps of another size are average-pooled to the grid,
    so that any backbone will do, and in that a linear projection is added where the channels do not sum to D.

    Args:
        stages: the stage maps, in the order of their channels; all that the backbone gives where left out.
        grid: cells per side; MANIQA's are 28 x 28.

    Raises:
        PartError: the backbone does not give one of the stages, or none at all.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({1: StageInfo(4, 8), 2: StageInfo(4, 8)}, 4, 4, 224)
    >>> maps = {1: torch.zeros(2, 4, 28, 28), 2: torch.zeros(2, 4, 28, 28)}
    >>> GridTokens(dim=8, features=spec)(Features(maps, None, None)).shape
    torch.Size([2, 784, 8])
    """

    knobs = ("grid",)  # a query a cell, and transposed_attention is as wide as there are queries
    examples = ({"grid": 4}, {"grid": 3, "stages": (2, 4)})

    @checked
    def __init__(self, *, dim: int, features: FeatureSpec, stages: Sequence[int] | None = None, grid: Grid = 28):
        super().__init__()
        self.stages = tuple(features.stages if stages is None else stages)
        if not self.stages:
            raise PartError("needs at least one stage map; set backbone.stages")
        self.grid, self.num_queries = grid, grid * grid
        width = sum(stage_channels(features, stage) for stage in self.stages)
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)

    def forward(self, features: Features) -> Tensor:
        maps = [self._on_the_grid(features.maps[stage]) for stage in self.stages]
        return self.proj(torch.cat(maps, 1).flatten(2).mT.contiguous())

    def _on_the_grid(self, map_BCHW: Tensor) -> Tensor:
        if map_BCHW.shape[2:] == (self.grid, self.grid):
            return map_BCHW
        return F.adaptive_avg_pool2d(map_BCHW, self.grid)
