import itertools

import numpy as np
import pytest
import torch

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.memories.grid_pool import GridPool

SPEC = FeatureSpec({3: StageInfo(5, 16)}, 5, 5, 224)


def pooled(memory, stage_BCHW):
    """What the projection receives, found by projecting with the identity."""
    with torch.no_grad():
        memory.proj.weight.copy_(torch.eye(5))
        memory.proj.bias.zero_()
        return memory(Features({3: stage_BCHW}, None, None)).numpy()


def mean_of_cells(stage_BCHW, rows, columns):
    x = stage_BCHW.numpy()
    cells = [x[:, :, top:bottom, left:right].mean((2, 3)) for top, bottom in rows for left, right in columns]
    return np.stack(cells, 1)


@pytest.mark.parametrize(("height", "width", "grid"), [(14, 14, 7), (12, 18, 6), (6, 6, 6), (8, 8, 1)])
def test_cells_are_those_of_the_released_code_where_the_grid_divides(height, width, grid):
    def bins(size):
        edges = [int(edge) for edge in np.linspace(0, size, grid + 1)]
        return list(itertools.pairwise(edges))

    stage_BCHW = torch.randn(2, 5, height, width)
    expected = mean_of_cells(stage_BCHW, bins(height), bins(width))
    assert np.allclose(pooled(GridPool(dim=5, features=SPEC, grid=grid), stage_BCHW), expected, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "grid"), [(14, 14, 6), (7, 10, 3), (3, 3, 6)])
def test_cells_cover_the_map_where_the_grid_does_not_divide(height, width, grid):
    def bins(size):
        return [(i * size // grid, -(-(i + 1) * size // grid)) for i in range(grid)]

    stage_BCHW = torch.randn(2, 5, height, width)
    expected = mean_of_cells(stage_BCHW, bins(height), bins(width))
    assert np.allclose(pooled(GridPool(dim=5, features=SPEC, grid=grid), stage_BCHW), expected, atol=1e-6)


def test_projection():
    memory = GridPool(dim=8, features=SPEC, grid=1)
    stage_BCHW = torch.randn(2, 5, 4, 4)
    expected_BD = stage_BCHW.mean((2, 3)) @ memory.proj.weight.T + memory.proj.bias
    assert torch.allclose(memory(Features({3: stage_BCHW}, None, None))[:, 0], expected_BD, atol=1e-6)


def test_stage_that_was_not_asked_for():
    with pytest.raises(PartError, match=r"set backbone.stages to \(3, 4\)"):
        GridPool(dim=8, features=SPEC, stage=4)


@pytest.mark.parametrize("grid", [0, -1])
def test_grid_without_cells(grid):
    with pytest.raises(PartError, match=f"grid: expected int from 1 to 64, got {grid}"):
        GridPool(dim=8, features=SPEC, grid=grid)


def test_says_on_which_grid_its_tokens_lie():
    memory = GridPool(dim=8, features=SPEC, grid=4)
    grid = memory.token_grid(16, 224, 320)
    assert (grid.rows, grid.columns, grid.source) == (4, 4, "stage 3, pooled")
    assert memory(Features({3: torch.randn(1, 5, 14, 20)}, None, None)).shape[1] == grid.rows * grid.columns
