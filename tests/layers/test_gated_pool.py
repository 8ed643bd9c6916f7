import math

import pytest
import torch
from torch.nn import functional as F

from iqa_zoo.errors import PartError
from iqa_zoo.layers.gated_pool import POSITIONS, GatedPool, grid_sides


def pool(channels=3, dim=8, grid=(2, 3), gate_hidden=4):
    torch.manual_seed(0)
    return GatedPool(channels, dim, grid, gate_hidden)


def test_by_hand():
    part, map_BCHW = pool(), torch.randn(2, 3, 4, 6)
    both = torch.einsum("oc,bchw->bohw", part.split.weight[:, :, 0, 0], map_BCHW) + part.split.bias[:, None, None]
    value, guide = both[:, :3], both[:, 3:]
    weighed = 0.5 * value * (1 + torch.erf(value / math.sqrt(2))) * part.gate(guide)
    cells_BCHW = weighed.view(2, 3, 2, 2, 3, 2).mean((3, 5))
    projected = torch.einsum("dc,bchw->bdhw", part.proj.weight[:, :, 0, 0], cells_BCHW) + part.proj.bias[:, None, None]
    rows = F.interpolate(part.rows.expand(-1, -1, -1, POSITIONS), (2, 3), mode="bicubic", align_corners=False)
    columns = F.interpolate(part.columns.expand(-1, -1, POSITIONS, -1), (2, 3), mode="bicubic", align_corners=False)
    expected = F.gelu(projected) + torch.cat((rows, columns), 1)
    torch.testing.assert_close(part(map_BCHW), expected.flatten(2).transpose(1, 2))


def test_a_closed_gate_lets_nothing_through():
    part, map_BCHW = pool(), torch.randn(1, 3, 4, 6)
    with torch.no_grad():
        part.gate[-2].bias.fill_(-1e4)
        part.rows.zero_()
        part.columns.zero_()
    expected = F.gelu(part.proj.bias).expand(1, 6, 8)
    torch.testing.assert_close(part(map_BCHW), expected)


def test_a_gate_at_one_place_is_the_value_there():
    """The gate decides what the average sees: only one position of each cell."""
    part, map_BCHW = pool(gate_hidden=1), torch.randn(1, 3, 4, 6)
    mask = torch.zeros(4, 6)
    mask[::2, ::2] = 1
    part.gate = torch.nn.Identity()
    given = part.split(map_BCHW)[:, :3]
    part.gate.forward = lambda guide: mask
    seen = F.gelu(given)[:, :, ::2, ::2] / 4
    tokens = part(map_BCHW) - part._positions().flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens, F.gelu(part.proj(seen)).flatten(2).transpose(1, 2))


def test_half_the_channels_know_the_row_and_half_the_column():
    positions_1DHW = pool(dim=5, grid=(4, 6))._positions()
    assert positions_1DHW.shape == (1, 5, 4, 6)
    rows, columns = positions_1DHW[:, :2], positions_1DHW[:, 2:]
    torch.testing.assert_close(rows, rows[..., :1].expand_as(rows))
    torch.testing.assert_close(columns, columns[:, :, :1].expand_as(columns))
    assert rows[0, 0, :, 0].unique().numel() == 4
    assert columns[0, 0, 0].unique().numel() == 6


def test_positions_of_the_learned_size_are_the_learned_ones():
    part = pool(grid=(POSITIONS, POSITIONS))
    positions = part._positions()
    torch.testing.assert_close(positions[0, :4, :, 0], part.rows[0, :, :, 0])
    torch.testing.assert_close(positions[0, 4:, 0], part.columns[0, :, 0])


@pytest.mark.parametrize("grid", [(), (7,), (7, 7, 7)])
def test_a_grid_is_one_number_or_two(grid):
    with pytest.raises(PartError, match=rf"is {len(grid)} numbers; give cells per side, or rows and columns"):
        grid_sides(grid)
