import math

import pytest
import torch

from iqa_zoo.errors import PartError
from iqa_zoo.layers.sine_positions import sine_positions, squarest


def test_by_hand():
    position_ND = sine_positions(2, 3, 8)
    for row in range(2):
        for column in range(3):
            expected = []
            for angle in (2 * math.pi * (row + 1) / 2, 2 * math.pi * (column + 1) / 3):
                for wavelength in (1, 100):
                    expected += [math.sin(angle / wavelength), math.cos(angle / wavelength)]
            torch.testing.assert_close(position_ND[3 * row + column], torch.tensor(expected), atol=1e-5, rtol=0)


def test_width_that_does_not_fit():
    with pytest.raises(PartError, match="dim=6 is not divisible by 4"):
        sine_positions(2, 2, 6)


@pytest.mark.parametrize(("cells", "grid"), [(1, (1, 1)), (2, (1, 2)), (12, (3, 4)), (49, (7, 7))])
def test_squarest(cells, grid):
    assert squarest(cells) == grid
