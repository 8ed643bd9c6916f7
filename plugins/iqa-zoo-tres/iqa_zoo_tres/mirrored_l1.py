"""The error of the mirrored view."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import QualityOutput


class MirroredL1(nn.Module):
    """Mean absolute error between the scores of the mirrored images and the labels, in the units of the labels; 0 is best.

    Beside ``l1`` it trains TReS on an image and on its mirror image alike (Golestaneh et al., WACV 2022). It asks for a second
    forward pass.

    >>> import torch
    >>> image, mirrored = torch.tensor([1.0, 4.0]), torch.tensor([1.5, 3.0])
    >>> outputs = [QualityOutput(score_B, score_B[:, None], score_B) for score_B in (image, mirrored)]
    >>> MirroredL1()(outputs[0], torch.tensor([1.5, 2.0]), outputs[1])
    tensor(0.5000)
    """

    needs_mirrored = True

    def forward(self, output: QualityOutput, mos_B: Tensor, mirrored: QualityOutput) -> Tensor:
        return F.l1_loss(mirrored.score_B, mos_B)
