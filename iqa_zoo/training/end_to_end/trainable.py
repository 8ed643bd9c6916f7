"""Wrap a scorer for mmengine's Runner."""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.training.devices import use_precision


class Trainable(BaseModel):
    """Batches of uint8 crops and labels in, losses out.

    Args:
        scorer: its model is trained, on its scale.
        precision: of matrix products in training.
        freeze_batch_norm: keep batch normalisation in eval mode.
    """

    def __init__(self, scorer: ScaledModel, *, freeze_batch_norm: bool, precision: str = "float32"):
        super().__init__()
        self.scorer, self.precision = scorer, precision
        self.freeze_batch_norm = freeze_batch_norm

    @property
    def model(self) -> QualityModel:
        return self.scorer.model

    def place(self, device: torch.device) -> Trainable:
        """Move to a device, in the layout that :meth:`ScaledModel.place` chooses."""
        self.to(device)
        self.scorer.place(device)
        return self

    def init_weights(self) -> None:
        """Do nothing: the model has its weights."""

    def train(self, mode: bool = True) -> Trainable:
        super().train(mode)
        if self.freeze_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, image_BCHW: Tensor, mos_B: Tensor, mode: str = "loss") -> dict[str, Tensor]:
        scale = self.scorer.scale
        target_B = (mos_B - scale.center) / scale.spread
        with use_precision(self.precision, image_BCHW.device):
            return self.model.loss(self.scorer.normalise(image_BCHW), target_B)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted total is minimised; mmengine would add up whatever has "loss" in its name."""
        parts = {name: value.detach() for name, value in losses.items() if name != "total"}
        return losses["total"], {**parts, "loss": losses["total"].detach()}
