import torch
from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.layers.gathering import gather_batch
from iqa_zoo.registry import register_loss


@register_loss("plcc")
class PLCC(nn.Module):
    """(1 - PLCC) / 2 over the batch: 0 where score and MOS agree up to scale and offset, 1 where they are reversed.

    Where processes share a batch, it is the whole batch.

    A batch whose scores or labels are all equal has no correlation and gives 0.5 with a zero gradient.

    Raises:
        InputError: a batch of fewer than two images.

    >>> scores = torch.tensor([1.0, 2.0, 3.0])
    >>> PLCC()(QualityOutput(scores, scores[:, None], scores), -scores)
    tensor(1.)
    """

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        given_B, mos_B = gather_batch("plcc", output.score_B, mos_B)
        score_B, label_B = given_B - given_B.mean(), mos_B - mos_B.mean()
        spread = score_B.norm() * label_B.norm()
        constant = _is_constant(given_B, score_B) | _is_constant(
            mos_B, label_B
        )  # on the device: a number would have to wait
        loss = (1 - (score_B * label_B).sum() / spread.masked_fill(constant, 1)) / 2
        return loss.masked_fill(constant, 0.5)


def _is_constant(value_B: Tensor, centred_B: Tensor) -> Tensor:
    """Whether all values are equal up to the rounding of their mean."""
    return centred_B.abs().max() <= 4 * torch.finfo(value_B.dtype).eps * value_B.abs().max()
