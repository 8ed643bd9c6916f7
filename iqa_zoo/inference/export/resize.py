"""The resize of an image that is too small or too large for a model, inside a graph."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.views import LONGEST_SIDE


def compute_fitted_size(height: int, width: int, spec: FeatureSpec) -> Tensor:
    """Compute (height, width) after :func:`iqa_zoo.data.enlarge.enlarge` and :func:`iqa_zoo.data.views.reduce_image`.

    Args:
        height, width: of the image, in pixels: symbols where a graph is recorded.
        spec: of the backbone.

    >>> spec = FeatureSpec({}, 8, 8, 192, view="whole")
    >>> compute_fitted_size(1500, 2048, spec).tolist(), compute_fitted_size(96, 100, spec).tolist()
    ([750, 1024], [192, 200])
    """
    sides_2 = torch.stack([torch.scalar_tensor(side, dtype=torch.int64) for side in (height, width)])
    longest = LONGEST_SIDE / sides_2.max().double() if spec.view == "whole" else torch.ones((), dtype=torch.float64)
    scale = torch.maximum(spec.image_size / sides_2.min().double(), longest.clamp(max=1))
    return (sides_2 * scale).round().long().clamp(min=spec.image_size)


def fit_images(image_BHWC: Tensor, spec: FeatureSpec) -> Tensor:
    """Resize uint8 images of one size by Pillow's rule, antialiased and bicubic, where a side does not fit a model."""
    height, width = compute_fitted_size(image_BHWC.shape[1], image_BHWC.shape[2], spec).unbind()
    fitted = height.item(), width.item()  # symbols without a value while a graph is recorded
    for side in fitted:
        torch._check(side >= spec.image_size)
    image_BCHW = image_BHWC.permute(0, 3, 1, 2)
    resized_BCHW = F.interpolate(image_BCHW, fitted, mode="bicubic", antialias=True)  # type: ignore[arg-type]  # symbols
    return resized_BCHW.permute(0, 2, 3, 1)
