import math

import pytest
import torch

from iqa_zoo.contracts import QualityOutput, Routing
from iqa_zoo.losses.router_z import RouterZ


def loss(*logits):
    return RouterZ()(QualityOutput(None, None, None, [Routing(logits_TE, None, None) for logits_TE in logits]), None)


def test_by_hand():
    rows = [[1.0, 2.0, -1.0], [0.0, 0.0, 0.0]]
    expected = sum(math.log(sum(math.exp(value) for value in row)) ** 2 for row in rows) / 2
    assert loss(torch.tensor(rows)).item() == pytest.approx(expected, rel=1e-6)
    assert loss(torch.zeros(5, 4)).item() == pytest.approx(math.log(4) ** 2, rel=1e-6)


def test_large_logits_stay_finite():
    assert loss(torch.full((2, 4), 1e4)).item() == pytest.approx((1e4 + math.log(4)) ** 2, rel=1e-5)


def test_several_mixtures_are_averaged():
    one, other = torch.randn(10, 4), torch.randn(20, 6)
    assert loss(one, other).item() == pytest.approx((loss(one).item() + loss(other).item()) / 2, rel=1e-6)
