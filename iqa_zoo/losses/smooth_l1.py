from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.registry import register_loss
from iqa_zoo.values import Range, checked


@register_loss("smooth_l1")
class SmoothL1(nn.Module):
    """Smooth L1 error: e^2 / (2 beta) below beta, |e| - beta / 2 above; 0 is best (DEIQT, Life-IQA's code).

    Args:
        beta: where the quadratic part ends, in the units of the labels.

    >>> import torch
    >>> scores = torch.tensor([1.0, 4.0])
    >>> SmoothL1()(QualityOutput(scores, scores[:, None], scores), torch.tensor([1.5, 2.0]))
    tensor(0.8125)
    """

    @checked
    def __init__(self, *, beta: Annotated[float, Range(0, 1e9)] = 1.0):
        super().__init__()
        self.beta = beta

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        return F.smooth_l1_loss(output.score_B, mos_B, beta=self.beta)
