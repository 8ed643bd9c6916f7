"""The relative ranking of the mirrored view."""

from __future__ import annotations

from torch import Tensor

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.losses.ranking import Ranking


class MirroredRanking(Ranking):
    """``ranking`` on the scores of the mirrored images: the extremes of a batch keep their distance in that view too.

    Beside ``ranking`` and with its weight, 0.05, it is TReS's (Golestaneh et al., WACV 2022). It asks for a second forward pass.

    Raises:
        InputError: a batch of fewer than two images.

    >>> import torch
    >>> scores = torch.tensor([0.0, 1.0, 3.0])
    >>> output = QualityOutput(scores, scores[:, None], scores)
    >>> MirroredRanking()(output, torch.tensor([0.0, 2.0, 6.0]), output)
    tensor(3.)
    """

    needs_mirrored = True

    def forward(self, output: QualityOutput, mos_B: Tensor, mirrored: QualityOutput) -> Tensor:  # type: ignore[override]
        return super().forward(mirrored, mos_B)
