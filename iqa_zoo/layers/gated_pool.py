"""TOPIQ's way from a stage map to tokens: a gated average on a grid, a projection and learned positions."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.errors import PartError

POSITIONS = 32  # learned ones a side, brought to the size of the grid


class GatedPool(nn.Module):
    """A map as tokens: gelu(proj(avgpool(gelu(f) gate(g)))) + positions, where f and g are the halves of split(map).

    The gated local pooling of TOPIQ (Chen et al., IEEE TIP 2024, https://arxiv.org/abs/2308.03060): the gate, 1x1, 3x3
    and 3x3 convolutions with GELU between, weighs each position of the map before cells are averaged, so that what
    distorts the image is not averaged away. Half the channels of a learned
    position know the row, the others the column.

    Args:
        channels: of the map.
        dim: model width D.
        grid: rows and columns of the tokens.
        gate_hidden: channels inside the gate.

    >>> GatedPool(5, 8, (2, 3))(torch.zeros(1, 5, 12, 12)).shape
    torch.Size([1, 6, 8])
    """

    def __init__(self, channels: int, dim: int, grid: tuple[int, int], gate_hidden: int = 64):
        super().__init__()
        self.grid = grid
        self.split = nn.Conv2d(channels, 2 * channels, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, gate_hidden, 1),
            nn.GELU(),
            nn.Conv2d(gate_hidden, gate_hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(gate_hidden, 1, 3, padding=1),
            nn.Sigmoid(),
        )
        self.proj = nn.Conv2d(channels, dim, 1)
        self.rows = nn.Parameter(torch.empty(1, dim // 2, POSITIONS, 1))
        self.columns = nn.Parameter(torch.empty(1, dim - dim // 2, 1, POSITIONS))
        for positions in (self.rows, self.columns):
            nn.init.trunc_normal_(positions, std=0.02)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        value_BCHW, guide_BCHW = self.split(map_BCHW).chunk(2, dim=1)
        pooled_BCHW = F.adaptive_avg_pool2d(F.gelu(value_BCHW) * self.gate(guide_BCHW), self.grid)
        placed_BDHW = F.gelu(self.proj(pooled_BCHW)) + self._positions()
        return rearrange(placed_BDHW, "b d h w -> b (h w) d").contiguous()

    def _positions(self) -> Tensor:
        square_1DHW = torch.cat(
            (self.rows.expand(-1, -1, -1, POSITIONS), self.columns.expand(-1, -1, POSITIONS, -1)), dim=1
        )
        return F.interpolate(square_1DHW, self.grid, mode="bicubic", align_corners=False)


def grid_sides(grid: int | Sequence[int]) -> tuple[int, int]:
    """Rows and columns of a grid that a config gives as one number, or as the two.

    Raises:
        PartError: not one or two numbers.

    >>> grid_sides(7), grid_sides([8, 10])
    ((7, 7), (8, 10))
    """
    sides = (grid, grid) if isinstance(grid, int) else tuple(grid)
    if len(sides) != 2:
        raise PartError(f"grid={sides} is {len(sides)} numbers; give cells per side, or rows and columns")
    return sides[0], sides[1]
