"""What a model sees of an image: crops at fixed positions, or the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.crops import cut_grid_crops
from iqa_zoo.data.enlarge import enlarge


@dataclass(frozen=True)
class View:
    """How an image becomes the input of a model.

    Attributes:
        spec: of the backbone.
        crops: an image; 0 for the whole image.
    """

    spec: FeatureSpec
    crops: int

    def cut(self, image_HWC: NDArray[np.uint8], name: str) -> tuple[Tensor, str]:
        """Return uint8 crops_BCHW of an image, and a note on what was done to it first.

        Raises:
            InputError: the enlarged image would have too many pixels; calls it ``name``.
        """
        image_HWC, note = enlarge(image_HWC, self.spec.image_size, Path(name))
        crops_BHWC = cut_grid_crops(image_HWC, self.spec.image_size, self.crops) if self.crops else image_HWC[None]
        return torch.from_numpy(np.ascontiguousarray(crops_BHWC)).permute(0, 3, 1, 2).contiguous(), note


def describe_view(spec: FeatureSpec, crops: int) -> str:
    """Describe what a model sees of an image in one phrase."""
    if not crops:
        return "whole image"
    return f"{crops} crop{'s' if crops > 1 else ''} of {spec.image_size} x {spec.image_size} pixels"
