"""What the features of a dataset cost, before they are computed."""

from __future__ import annotations

from torch import nn

from iqa_zoo.budgets.throughput import measure_backbone_speed
from iqa_zoo.cache import cache_folder
from iqa_zoo.contracts import spec_of
from iqa_zoo.data.images import read_size
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.views import LONGEST_SIDE

SAMPLE = 32  # images whose size is read


def describe_feature_cost(backbone: nn.Module, data: RatedImages, crops: int, values: int, precision: str) -> str:
    """Describe the disk that features take, and the time to compute them, extrapolated from one batch.

    Args:
        backbone: that computes them.
        data: the images.
        crops: per image.
        values: numbers that are stored.
        precision: of the features (:func:`iqa_zoo.training.frozen.extraction.extract_features`).
    """
    disk = f"{2 * values / 1e9:.2f} GB in {cache_folder()}"
    if data.box is not None:
        return f"features: {len(data)} images from the box, {disk}"
    what, views = "crops", float(crops * len(data))
    if spec_of(backbone).view == "whole":
        what, views = "whole images", len(data) * compute_pixel_ratio(data, spec_of(backbone).image_size)
    seconds = views / measure_backbone_speed(backbone, precision)
    return f"features: {crops * len(data)} {what}, {disk}, about {seconds:.0f} s in {precision} unless they are there"


def compute_pixel_ratio(data: RatedImages, size: int) -> float:
    """Return how many pixels a whole image has on average, per pixel of a square of side ``size``, from some headers.

    Raises:
        InputError: an image cannot be read.
    """
    sides = [read_size(path) for path in data.paths[:: -(-len(data) // SAMPLE)]]
    pixels = [height * width * min(1.0, LONGEST_SIDE / max(height, width)) ** 2 for height, width in sides]
    return max(1.0, sum(pixels) / len(pixels) / size**2)
