"""The centre crop of an image that an explanation shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.images import read_image


@dataclass(frozen=True)
class CentreCrop:
    """The square centre crop of an image, at the model's input size.

    Attributes:
        image_HWC: the whole image, enlarged if it was too small.
        top, left, size: position and side of the crop, in pixels.
        note: how the image was enlarged; empty if it was not.
    """

    image_HWC: NDArray[np.uint8]
    top: int
    left: int
    size: int
    note: str = ""

    @property
    def pixels_HWC(self) -> NDArray[np.uint8]:
        return self.image_HWC[self.top : self.top + self.size, self.left : self.left + self.size]

    @property
    def batch_BCHW(self) -> Tensor:
        """The crop as a batch of one, uint8."""
        return torch.from_numpy(np.ascontiguousarray(self.pixels_HWC.transpose(2, 0, 1)))[None]

    def describe(self) -> str:
        height, width = self.image_HWC.shape[:2]
        note = f", {self.note}" if self.note else ""
        return f"the centre crop of {self.size}x{self.size} pixels at row {self.top}, column {self.left} of {height}x{width}{note}"


def centre_crop(image_HWC: NDArray[np.uint8], size: int, path: Path) -> CentreCrop:
    """Return the centre crop of an image. An image whose short side is below ``size`` is enlarged first (bicubic).

    Raises:
        InputError: the enlarged image has too many pixels. The message names ``path``.

    >>> centre_crop(np.zeros((40, 61, 3), np.uint8), 32, Path("a.png")).describe()
    'the centre crop of 32x32 pixels at row 4, column 14 of 40x61'
    """
    image_HWC, note = enlarge(image_HWC, size, path)
    height, width = image_HWC.shape[:2]
    return CentreCrop(image_HWC, (height - size) // 2, (width - size) // 2, size, note)


def read_crop(path: str | Path, size: int) -> CentreCrop:
    """Read an image and take its centre crop.

    Raises:
        InputError: the file cannot be read.
    """
    return centre_crop(read_image(path), size, Path(path))
