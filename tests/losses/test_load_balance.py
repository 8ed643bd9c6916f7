import pytest
import torch

from iqa_zoo.contracts import QualityOutput, Routing
from iqa_zoo.losses.load_balance import LoadBalance


def routed(logits_TE, top_k):
    top_TK, choice_TK = logits_TE.topk(top_k, dim=-1)
    weights_TE = torch.zeros_like(logits_TE).scatter(-1, choice_TK, top_TK.softmax(-1))
    return Routing(logits_TE, weights_TE, choice_TK)


def loss(*routing, **arguments):
    return LoadBalance(**arguments)(QualityOutput(None, None, None, list(routing)), None)


def by_loops(routing, probabilities):
    tokens, experts = routing.logits_TE.shape
    total = 0.0
    for e in range(experts):
        share = sum(float(e in chosen) for chosen in routing.choice_TK.tolist()) / tokens
        if probabilities == "router":
            mean = sum(torch.softmax(row.double(), 0)[e].item() for row in routing.logits_TE) / tokens
        else:
            mean = sum(row[e].item() for row in routing.weights_TE) / tokens
        total += share * mean
    return experts * total


@pytest.mark.parametrize("probabilities", ["router", "selected"])
@pytest.mark.parametrize(("experts", "top_k"), [(4, 2), (3, 1), (8, 3)])
def test_equals_an_explicit_loop(experts, top_k, probabilities):
    torch.manual_seed(experts)
    routing = routed(2 * torch.randn(20, experts), top_k)
    expected = by_loops(routing, probabilities)
    assert loss(routing, probabilities=probabilities).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("probabilities", ["router", "selected"])
def test_even_load_gives_k(probabilities):
    logits_TE = 5.0 * torch.tensor([[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 2, 1], [1, 0, 0, 2]])
    assert loss(routed(logits_TE, 2), probabilities=probabilities).item() == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("top_k", [1, 2])
def test_collapsed_load_gives_up_to_e_times_k(top_k):
    logits_TE = torch.zeros(10, 4)
    logits_TE[:, :top_k] = 40.0
    # E * sum over the K chosen of (1 / K) * 1: all tokens on K experts
    assert loss(routed(logits_TE, top_k)).item() == pytest.approx(4, abs=1e-5)


def test_collapsed_beyond_the_first_choice():
    """All tokens rank the same expert first by far; the second choice is spread over the others."""
    logits_TE = torch.zeros(9, 4)
    logits_TE[:, 0] = 40.0
    logits_TE[torch.arange(9), 1 + torch.arange(9) % 3] = 1.0
    assert loss(routed(logits_TE, 2)).item() == pytest.approx(4, abs=1e-5)


def test_released_is_constant_where_every_expert_is_chosen():
    logits_TE = torch.randn(12, 2, requires_grad=True)
    selected = loss(routed(logits_TE, 2), probabilities="selected")
    assert selected.item() == pytest.approx(2, abs=1e-6)
    selected.backward()
    assert logits_TE.grad.abs().max() < 1e-6


def test_several_mixtures_are_averaged():
    one, other = routed(torch.randn(10, 4), 2), routed(3 * torch.randn(10, 6), 2)
    assert loss(one, other).item() == pytest.approx((loss(one).item() + loss(other).item()) / 2, rel=1e-6)


def test_gradient_evens_the_load():
    logits_TE = torch.tensor([[3.0, 0.0, -1.0, -1.0]]).repeat(10, 1).requires_grad_()
    loss(routed(logits_TE, 2)).backward()
    assert (logits_TE.grad[:, 0] > 0).all()
    assert (logits_TE.grad[:, 2:] < 0).all()
