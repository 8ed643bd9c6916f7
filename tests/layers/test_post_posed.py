"""Both residuals of the block after the decoder, by hand."""

import pytest
import torch

from iqa_zoo.layers.activations import perceptron
from iqa_zoo.layers.post_posed import PostPosed


@pytest.mark.parametrize(
    ("residual", "score"), [("paper", 2 * 3.0 + 0.5 * 2 * 1.0), ("released", 2 * 1.0 + 0.5 * 2 * 3.0)]
)
def test_a_score_by_hand(residual, score):
    """X is all ones and F(X) all threes, of two channels whose weights are 1."""
    block = PostPosed(dim=2, residual=residual, gamma=0.5, dropout=0.9).eval()
    torch.nn.init.ones_(block.fc.weight)
    torch.nn.init.zeros_(block.fc.bias)
    normed_BND = torch.ones(4, 6, 2)
    score_BN = block._score(normed_BND, 3 * normed_BND)
    assert score_BN.shape == (4, 6)
    torch.testing.assert_close(score_BN, torch.full((4, 6), score))


def test_gamma_is_learned():
    block = PostPosed(dim=2, residual="paper", gamma=0.1, dropout=0.0)
    block._score(torch.ones(1, 1, 2), torch.zeros(1, 1, 2)).sum().backward()
    assert block.gamma.grad is not None
    assert block.gamma.shape == ()


def test_an_expert_is_two_layers_with_the_activation_between():
    expert = perceptron(3, 5, "relu", 0.0)
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    first, _, _, second = expert
    expected = (x @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias
    torch.testing.assert_close(expert(x), expected)
