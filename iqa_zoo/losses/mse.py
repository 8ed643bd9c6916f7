from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.registry import register_loss


@register_loss("mse")
class MSE(nn.Module):
    """Mean squared error between score and MOS, in the squared units of the labels; 0 is best.

    >>> import torch
    >>> scores = torch.tensor([1.0, 4.0])
    >>> MSE()(QualityOutput(scores, scores[:, None], scores), torch.tensor([1.5, 2.0]))
    tensor(2.1250)
    """

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        return F.mse_loss(output.score_B, mos_B)
