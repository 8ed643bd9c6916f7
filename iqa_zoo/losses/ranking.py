from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.layers.gathering import gather_batch
from iqa_zoo.registry import register_loss


@register_loss("ranking")
class Ranking(nn.Module):
    """Two triplets of a batch's extremes, with differences of labels as margins; 0 where scores keep them (TReS, WACV 2022).

    With images in order of their labels y, 1 the lowest, B the highest, and scores s,

        max(0, |s_1 - s_2| - |s_1 - s_B| + y_B - y_2) + max(0, |s_B - s_(B-1)| - |s_B - s_1| + y_(B-1) - y_1).

    TReS weights it by 0.05. Two images give 0: each is the other's neighbour and its opposite. Where processes share a
    batch, it is the whole batch. Images of equal labels are taken in the order they come in.

    Differs from the released code in that a distance has no 1e-6 added to it.

    Raises:
        InputError: a batch of fewer than two images.

    >>> import torch
    >>> scores = torch.tensor([0.0, 1.0, 3.0])
    >>> Ranking()(QualityOutput(scores, scores[:, None], scores), torch.tensor([0.0, 2.0, 6.0]))
    tensor(3.)
    """

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        score_B, mos_B = gather_batch("ranking", output.score_B, mos_B)
        order_B = mos_B.argsort(stable=True)
        score_B, label_B = score_B[order_B], mos_B[order_B]
        apart = (score_B[0] - score_B[-1]).abs()
        low = (score_B[0] - score_B[1]).abs() - apart + label_B[-1] - label_B[1]
        high = (score_B[-1] - score_B[-2]).abs() - apart + label_B[-2] - label_B[0]
        return low.relu() + high.relu()
