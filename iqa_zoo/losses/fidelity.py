import math

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.layers.gathering import gather_batch
from iqa_zoo.registry import register_loss
from iqa_zoo.values import Positive, checked

OF_TWO_SCORES = math.sqrt(2)  # the deviation of the difference of two scores of deviation 1


@register_loss("fidelity")
class Fidelity(nn.Module):
    """1 - sqrt(p p') - sqrt((1 - p)(1 - p')), averaged over the pairs of a batch; 0 where every better image surely wins.

    The probability that image i of a pair is the better one is p' = Phi((s_i - s_j) / deviation) by the scores s, and by
    the labels p = 1, 0, or 1/2 where they are equal (Tsai et al., SIGIR 2007; for image quality UNIQUE, Zhang et al., TIP
    2021, and LIQE, Zhang et al., CVPR 2023, https://arxiv.org/abs/2303.14968). Only the order of the labels counts, and a
    higher label means better. Where processes share a batch, it is the whole batch.

    Differs from the released code of LIQE in that no 1e-8 is added under the roots: log Phi is computed as such, so that
    the gradient of a pair that is surely wrong is right and finite.

    Args:
        deviation: standard deviation of a difference of scores; that of two scores of deviation 1 where left out. LIQE's
            released code has 1.

    Raises:
        InputError: a batch of fewer than two images.
        PartError: ``deviation`` is out of range.

    >>> scores = torch.tensor([0.0, 100.0])
    >>> Fidelity()(QualityOutput(scores, scores[:, None], scores), torch.tensor([1.0, 2.0]))
    tensor(0.)
    """

    @checked
    def __init__(self, *, deviation: Positive = OF_TWO_SCORES):
        super().__init__()
        self.deviation = deviation

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        score_B, mos_B = gather_batch("fidelity", output.score_B, mos_B)
        first, second = torch.triu_indices(len(mos_B), len(mos_B), offset=1, device=mos_B.device)
        apart = (score_B[first] - score_B[second]) / self.deviation
        wins = (mos_B[first] - mos_B[second]).sign().add(1).to(apart.dtype) / 2
        # sqrt(Phi) by its logarithm, whose gradient does not divide by a Phi that has become 0
        kept = wins.sqrt() * (torch.special.log_ndtr(apart) / 2).exp()
        lost = (1 - wins).sqrt() * (torch.special.log_ndtr(-apart) / 2).exp()
        return (1 - kept - lost).mean()
