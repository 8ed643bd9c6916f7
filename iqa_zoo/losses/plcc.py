"""Correlation as a loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_loss


@register_loss("plcc")
class PLCC(nn.Module):
    """(1 - PLCC) / 2 over the batch: 0 where score and MOS agree up to scale and offset, 1 where they are reversed.

    A batch whose scores or labels are all equal has no correlation and gives 0.5 with a zero gradient.

    Raises:
        InputError: a batch of fewer than two images.

    >>> scores = torch.tensor([1.0, 2.0, 3.0])
    >>> PLCC()(QualityOutput(scores, scores[:, None], scores), -scores)
    tensor(1.)
    """

    def forward(self, output: QualityOutput, mos_B: Tensor) -> Tensor:
        if len(mos_B) < 2:
            raise InputError("losses 'plcc' needs at least two images in a batch; set batch_size >= 2 or drop the last one")
        score_B, label_B = output.score_B - output.score_B.mean(), mos_B - mos_B.mean()
        scale = score_B.square().sum() * label_B.square().sum()
        tiny = torch.finfo(scale.dtype).tiny  # keeps the square root's gradient finite on a constant batch
        return (1 - (score_B * label_B).sum() / scale.clamp_min(tiny).sqrt()) / 2
