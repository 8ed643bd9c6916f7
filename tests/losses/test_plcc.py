import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.errors import InputError
from iqa_zoo.losses.plcc import PLCC


def loss(scores, labels):
    return PLCC()(QualityOutput(scores, None, None), labels)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), size=st.integers(3, 40), spread=st.sampled_from([1e-3, 1.0, 1e3]))
def test_is_pearsons(seed, size, spread):
    generator = torch.Generator().manual_seed(seed)
    scores, labels = torch.randn(2, size, generator=generator)
    expected = (1 - pearsonr(scores.double(), labels.double()).statistic) / 2
    assert loss(spread * scores, labels * 30).item() == pytest.approx(expected, abs=1e-5)


def test_same_reversed_and_unrelated():
    scores = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert loss(scores, 5 + 2 * scores).item() == pytest.approx(0, abs=1e-6)
    assert loss(scores, 5 - 2 * scores).item() == pytest.approx(1, abs=1e-6)
    assert loss(scores, torch.tensor([1.0, -1.0, -1.0, 1.0])).item() == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("size", [2, 3, 7, 100])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 50.1, 1e-3])
def test_constant_batch_gives_half_and_no_gradient(size, value):
    varied = torch.randn(size)
    for constant_scores in (True, False):
        scores = (torch.full((size,), value) if constant_scores else varied.clone()).requires_grad_()
        answer = loss(scores, varied if constant_scores else torch.full((size,), value))
        assert answer.item() == 0.5
        answer.backward()
        assert (scores.grad == 0).all()


def test_gradient_is_that_of_differences():
    torch.manual_seed(0)
    scores = torch.randn(6, dtype=torch.float64, requires_grad=True)
    labels = torch.randn(6, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: loss(s, labels), (scores,))


def test_one_image():
    with pytest.raises(InputError, match="at least two images"):
        loss(torch.zeros(1), torch.zeros(1))
