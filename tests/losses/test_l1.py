import pytest
import torch

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.losses.l1 import L1


def test_by_hand():
    output = QualityOutput(torch.tensor([1.0, 4.0, -2.0]), None, None)
    assert L1()(output, torch.tensor([1.5, 2.0, -2.0])).item() == pytest.approx((0.5 + 2 + 0) / 3)
