"""A quality model as mmengine's Runner trains it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from iqa_zoo.data.loader import normalise
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.training.label_scale import LabelScale


class Trainable(BaseModel):
    """Batches of uint8 crops and labels in, losses out.

    Args:
        model: what is trained.
        scale: of the labels.
        autocast: precision of matrix products; None for float32.
        freeze_batch_norm: keep batch normalisation in eval mode.
    """

    def __init__(
        self, model: QualityModel, *, scale: LabelScale, autocast: torch.dtype | None, freeze_batch_norm: bool
    ):
        super().__init__()
        self.model = model
        self.scale = scale
        self.autocast = autocast
        self.freeze_batch_norm = freeze_batch_norm

    def init_weights(self) -> None:
        """Nothing: the model has its weights."""

    def train(self, mode: bool = True) -> Trainable:
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, image_BCHW: Tensor, mos_B: Tensor, mode: str = "loss") -> dict[str, Tensor]:
        target_B = (mos_B - self.scale.center) / self.scale.spread
        with self.precision(image_BCHW.device):
            return self.model.loss(self.enter(image_BCHW), target_B)

    def enter(self, image_BCHW: Tensor) -> Tensor:
        """uint8 crops, normalised as the backbone wants them."""
        spec = self.model.spec
        return normalise(image_BCHW, spec.mean, spec.std)

    def precision(self, device: torch.device) -> Any:
        return nullcontext() if self.autocast is None else torch.autocast(device.type, self.autocast)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted total is minimised; mmengine would add up whatever has "loss" in its name."""
        parts = {name: value.detach() for name, value in losses.items() if name != "total"}
        return losses["total"], {**parts, "loss": losses["total"].detach()}

    @torch.no_grad()
    def score(self, image_BCHW: Tensor) -> Tensor:
        """Scores of uint8 crops on the labels' scale, float64."""
        with self.precision(image_BCHW.device):
            score_B = self.model(self.enter(image_BCHW))
        return score_B.double() * self.scale.spread + self.scale.center
