"""Enlarge images that are smaller than a model's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iqa_zoo.errors import InputError

LARGEST = 200_000_000  # maximum pixels of an enlarged image


def enlarge(image_HWC: NDArray[np.uint8], smallest: int, path: Path) -> tuple[NDArray[np.uint8], str]:
    """Enlarge an image (bicubic) to a short side of ``smallest`` pixels, unless it is larger; return a note on the change.

    Raises:
        InputError: the enlarged image would have more than ``LARGEST`` pixels; the message names ``path``.

    >>> image_HWC, note = enlarge(np.zeros((20, 24, 3), np.uint8), 32, Path("a.png"))
    >>> image_HWC.shape, note, enlarge(image_HWC, 32, Path("a.png"))[1]
    ((32, 38, 3), 'enlarged from 20x24', '')
    """
    height, width = image_HWC.shape[:2]
    larger = compute_enlarged_size(height, width, smallest, path)
    if larger == (height, width):
        return image_HWC, ""
    image = Image.fromarray(np.ascontiguousarray(image_HWC)).resize(larger[::-1], Image.Resampling.BICUBIC)
    return np.array(image), f"enlarged from {height}x{width}"


def compute_enlarged_size(height: int, width: int, smallest: int, path: Path) -> tuple[int, int]:
    """Compute (height, width) in pixels after :func:`enlarge`, without decoding the image.

    Raises:
        InputError: more than ``LARGEST`` pixels; the message names ``path``.

    >>> compute_enlarged_size(20, 24, 32, Path("a.png")), compute_enlarged_size(40, 50, 32, Path("a.png"))
    ((32, 38), (40, 50))
    """
    if min(height, width) >= smallest:
        return height, width
    scale = smallest / min(height, width)
    larger = max(smallest, round(height * scale)), max(smallest, round(width * scale))
    if larger[0] * larger[1] > LARGEST:
        raise InputError(
            f"{path} is {height}x{width} pixels (height x width) and would be {larger[0]}x{larger[1]} with a short side "
            f"of {smallest}; cut it into pieces that are less narrow"
        )
    return larger
