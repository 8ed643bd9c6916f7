"""The sparse mixture of experts: its sum by hand, both ways to compute it, and its parameters."""

import pytest
import torch
from torch import nn

from iqa_zoo.errors import PartError
from iqa_zoo.layers.experts import Mixture


class Mixed(nn.Module, Mixture):
    def __init__(self, **settings):
        super().__init__()
        values = {"num_experts": 4, "top_k": 2, "hidden": 5, "activation": "relu", "dropout": 0.0, **settings}
        self._make_experts(3, **values)


@pytest.fixture
def mixed():
    torch.manual_seed(0)
    return Mixed().double().eval()


@pytest.fixture
def tokens_TD():
    return torch.randn(9, 3, generator=torch.Generator().manual_seed(1)).double()


def test_each_token_gets_its_experts_by_their_gates(mixed, tokens_TD):
    mixed_TD, routing = mixed._mix(tokens_TD)
    for token, got, logits, weights, choice in zip(
        tokens_TD, mixed_TD, routing.logits_TE, routing.weights_TE, routing.choice_TK, strict=True
    ):
        first, second = sorted(range(4), key=lambda e: -logits[e].item())[:2]
        assert choice.tolist() == [first, second]
        gate = 1 / (1 + torch.exp(logits[second] - logits[first]))
        torch.testing.assert_close(got, gate * mixed.experts[first](token) + (1 - gate) * mixed.experts[second](token))
        assert weights.count_nonzero() == 2
        torch.testing.assert_close(weights[first], gate)


def test_every_expert_on_every_token_gives_the_same_sum(mixed, tokens_TD):
    mixed_TD, routing = mixed._mix(tokens_TD)
    torch.testing.assert_close(mixed._mix_all(tokens_TD, routing.weights_TE), mixed_TD)


def test_an_expert_without_tokens(mixed, tokens_TD):
    nn.init.zeros_(mixed.router.weight)
    with torch.no_grad():
        mixed.router.bias.copy_(torch.tensor([5.0, 4.0, -5.0, -6.0]))
    mixed_TD, routing = mixed._mix(tokens_TD)
    assert set(routing.choice_TK.flatten().tolist()) == {0, 1}
    mixed_TD.sum().backward()
    assert all(parameter.grad is not None for parameter in mixed.experts.parameters())


@pytest.mark.parametrize(("top_k", "inactive"), [(1, 3), (2, 2), (4, 0)])
def test_parameters_that_a_token_does_not_meet(top_k, inactive):
    assert Mixed(top_k=top_k).inactive_params == inactive * (3 * 5 + 5 + 5 * 3 + 3)


@pytest.mark.parametrize("top_k", [0, 5])
def test_a_choice_that_cannot_be_is_refused(top_k):
    with pytest.raises(PartError, match=f"top_k={top_k} is not between 1 and num_experts=4"):
        Mixed(top_k=top_k)
