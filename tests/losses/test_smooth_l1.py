import pytest
import torch

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.losses.smooth_l1 import SmoothL1


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (1.0, (0.5 * 0.5**2 + (2 - 0.5) + 0) / 3),
        (4.0, (0.5**2 / 8 + 2**2 / 8 + 0) / 3),
        (0.1, ((0.5 - 0.05) + (2 - 0.05) + 0) / 3),
    ],
)
def test_by_hand(beta, expected):
    output = QualityOutput(torch.tensor([1.0, 4.0, -2.0]), None, None)
    assert SmoothL1(beta=beta)(output, torch.tensor([1.5, 2.0, -2.0])).item() == pytest.approx(expected)
