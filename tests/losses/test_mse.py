import pytest
import torch

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.losses.mse import MSE


def test_by_hand():
    output = QualityOutput(torch.tensor([1.0, 4.0, -2.0]), None, None)
    assert MSE()(output, torch.tensor([1.5, 2.0, -2.0])).item() == pytest.approx((0.25 + 4 + 0) / 3)
