"""A model whose scores are on the scale of the labels it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.data.decoded import make_channels, normalise
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.training.label_scale import LabelScale


class ScaledModel(nn.Module):
    """A quality model and the scale of its scores.

    Scores are computed in single precision, whichever precision the model was trained in: with the 8 bits of bfloat16,
    one pixel that changes by one level of 255 moves a score by up to .07 of 100 points.

    Args:
        model: the quality model.
        scale: of the labels it was trained on.
    """

    def __init__(self, model: QualityModel, *, scale: LabelScale = LabelScale()):  # noqa: B008  # frozen
        super().__init__()
        self.model = model
        self.scale = scale

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def place(self, device: torch.device) -> ScaledModel:
        """Move to a device, in the memory layout that is faster there: scores can depend on it in the last bits."""
        self.to(device)
        if device.type == "cpu":
            self.model.to(memory_format=torch.channels_last)
        return self

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return score_B on the labels' scale of RGB images in 0..1, differentiable by the images."""
        mean_C11 = make_channels(self.model.spec.mean, image_BCHW.device, image_BCHW.dtype)
        std_C11 = make_channels(self.model.spec.std, image_BCHW.device, image_BCHW.dtype)
        score_B: Tensor = self.model((image_BCHW - mean_C11) / std_C11)
        return score_B * self.scale.spread + self.scale.center

    def normalise(self, image_BCHW: Tensor) -> Tensor:
        """Return uint8 crops as the backbone takes them."""
        return normalise(image_BCHW, self.model.spec.mean, self.model.spec.std)

    @torch.no_grad()
    def score_crops(self, image_BCHW: Tensor) -> Tensor:
        """Return score_B of uint8 crops on the labels' scale, float64."""
        return self.rescale(self.model(self.normalise(image_BCHW)))

    @torch.no_grad()
    def compute_output(self, image_BCHW: Tensor) -> QualityOutput:
        """Return the model's output of uint8 crops, with the backbone's features; its scores are not on the labels' scale."""
        return self.model.output(self.normalise(image_BCHW), keep_features=True)

    def rescale(self, score: Tensor) -> Tensor:
        """Return the model's scores on the labels' scale, float64."""
        return score.double() * self.scale.spread + self.scale.center


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Put a module into eval mode, and afterwards each of its parts into the mode that it had."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
