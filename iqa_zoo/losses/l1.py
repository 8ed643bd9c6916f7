from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.registry import register_loss


@register_loss("l1")
class L1(nn.Module):
    """Mean absolute error between score and MOS, in the units of the labels; 0 is best (Life-IQA's paper).

    >>> import torch
    >>> scores = torch.tensor([1.0, 4.0])
    >>> L1()(QualityOutput(scores, scores[:, None], scores), torch.tensor([1.5, 2.0]))
    tensor(1.2500)
    """

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        return F.l1_loss(output.score_B, mos_B)
