import math

import pytest
import torch

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.memories.tokens import Tokens


def test_are_the_tokens_themselves():
    memory = Tokens(dim=8, features=FeatureSpec({}, 8, 12, 224))
    tokens_BLC = torch.randn(2, 13, 8)
    assert torch.equal(memory(Features({}, tokens_BLC, None)), tokens_BLC)
    assert not list(memory.parameters())


def test_are_projected_where_widths_differ():
    memory = Tokens(dim=8, features=FeatureSpec({}, 12, 8, 224))
    tokens_BLC = torch.randn(2, 13, 12)
    expected_BLD = tokens_BLC @ memory.proj.weight.T + memory.proj.bias
    assert torch.allclose(memory(Features({}, tokens_BLC, None)), expected_BLD, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (64, 96), (160, 224), (500, 500), (384, 512), (64, 192)])
@pytest.mark.parametrize("stride", [8, 14, 16, 32])
def test_the_grid_is_found_from_the_number_of_tokens(height, width, stride):
    """Whole patches of a ViT, and the map of a CNN, whose last cells reach over the edge."""
    memory = Tokens(dim=8, features=FeatureSpec({}, 8, 8, 224, token_stage=4))
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    grid = memory.token_grid(rows * columns, height, width)
    assert (grid.rows, grid.columns, grid.source) == (rows, columns, "stage 4")


@pytest.mark.parametrize("length", [2, 13, 197])
def test_tokens_that_fill_no_grid(length):
    assert Tokens(dim=8, features=FeatureSpec({}, 8, 8, 224)).token_grid(length, 224, 224) is None
