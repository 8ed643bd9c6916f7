import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.errors import InputError, PartError
from iqa_zoo.losses.fidelity import Fidelity


def loss(scores, labels, **arguments):
    return Fidelity(**arguments)(QualityOutput(scores, None, None), labels)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("deviation", [1.0, math.sqrt(2)])
@pytest.mark.parametrize("seed", range(3))
def test_is_the_formula_pair_by_pair(seed, deviation):
    scores, labels = noise(6, seed=seed).tolist(), [3.0, 1.0, 3.0, 2.0, 5.0, 1.0]
    pairs = []
    for i, j in combinations(range(6), 2):
        p = (labels[i] > labels[j]) + 0.5 * (labels[i] == labels[j])
        q = 0.5 * (1 + math.erf((scores[i] - scores[j]) / deviation / math.sqrt(2)))
        pairs.append(1 - math.sqrt(p * q) - math.sqrt((1 - p) * (1 - q)))
    given = loss(torch.tensor(scores, dtype=torch.float64), torch.tensor(labels), deviation=deviation)
    assert given.item() == pytest.approx(sum(pairs) / 15, abs=1e-12)


def test_the_default_is_two_scores_of_deviation_one():
    scores, labels = noise(5), noise(5, seed=1)
    torch.testing.assert_close(loss(scores, labels), loss(scores, labels, deviation=math.sqrt(2)))
    torch.testing.assert_close(loss(scores, labels), loss(scores / math.sqrt(2), labels, deviation=1.0))


def test_known_values():
    equal = torch.zeros(2)
    assert loss(equal, torch.tensor([1.0, 2.0])).item() == pytest.approx(1 - math.sqrt(0.5))
    assert loss(equal, equal).item() == pytest.approx(0, abs=1e-6)
    assert loss(torch.tensor([100.0, 0.0]), torch.tensor([2.0, 1.0])) == 0
    assert loss(torch.tensor([100.0, 0.0]), torch.tensor([1.0, 2.0])) == 1


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.integers(0, 99), st.floats(-10, 10))
def test_only_differences_of_scores_and_the_order_of_labels_count(values, seed, shift):
    scores, labels = torch.tensor(values, dtype=torch.float64), noise(len(values), seed=seed)
    first = loss(scores, labels)
    assert 0 <= first <= 1
    torch.testing.assert_close(loss(scores + shift, 7 + labels.exp()), first)
    torch.testing.assert_close(loss(-scores, -labels), first)
    order = labels.argsort()
    torch.testing.assert_close(loss(scores[order], labels[order]), first)


@pytest.mark.parametrize("apart", [0.0, 0.5, 5.0, 20.0, 40.0, 1e4])
@pytest.mark.parametrize("labels", [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0)])
def test_value_and_gradient_are_finite_however_sure_and_wrong(apart, labels):
    scores = torch.tensor([apart, 0.0], requires_grad=True)
    value = loss(scores, torch.tensor(labels))
    value.backward()
    assert value.isfinite()
    assert scores.grad.isfinite().all()
    assert scores.grad.sum().abs() < 1e-6
    if labels == (1.0, 2.0):
        assert scores.grad[0] >= 0  # down with the score that is too high
        assert (scores.grad[0] > 0) == (apart < 40)


def test_gradient_is_that_of_finite_differences():
    scores = noise(5).requires_grad_()
    labels = torch.tensor([1.0, 3.0, 2.0, 3.0, 0.0])
    assert torch.autograd.gradcheck(lambda s: loss(s, labels), scores)


def test_what_cannot_work_is_refused():
    with pytest.raises(InputError, match="at least two images"):
        loss(torch.zeros(1), torch.zeros(1))
    for deviation in (0.0, -1.0, math.nan):
        with pytest.raises(PartError, match="deviation: expected float from 1e-09"):
            Fidelity(deviation=deviation)
