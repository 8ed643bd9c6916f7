"""The same relative ranking in both views."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.losses.ranking import Ranking


class RankingConsistency(nn.Module):
    """Absolute difference of ``ranking`` between a batch and its mirrored images; 0 where both views are ranked alike.

    The self-consistency of TReS's relative ranking (Golestaneh et al., WACV 2022), which weights it by 0.5. Both views are
    trained by it. It asks for a second forward pass.

    Raises:
        InputError: a batch of fewer than two images.

    >>> import torch
    >>> labels, scores = torch.tensor([0.0, 2.0, 6.0]), torch.tensor([0.0, 1.0, 3.0])
    >>> outputs = [QualityOutput(score_B, score_B[:, None], score_B) for score_B in (scores, labels)]
    >>> RankingConsistency()(outputs[0], labels, outputs[1])
    tensor(3.)
    """

    needs_mirrored = True

    def __init__(self) -> None:
        super().__init__()
        self.ranking = Ranking()

    def forward(self, output: QualityOutput, mos_B: Tensor, mirrored: QualityOutput) -> Tensor:
        difference: Tensor = self.ranking(output, mos_B) - self.ranking(mirrored, mos_B)
        return difference.abs()
