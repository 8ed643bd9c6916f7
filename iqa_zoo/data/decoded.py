"""Decoded images, kept in memory, and their normalisation."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.data.boxed import require_pixels
from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.images import read_image
from iqa_zoo.data.rated import RatedImages

GIB = 1 << 30


def normalise(image_BCHW: Tensor, mean: Sequence[float], std: Sequence[float], out: Tensor | None = None) -> Tensor:
    """Turn 0..255 (uint8) into what a backbone takes: float32, ``(image / 255 - mean) / std`` by channel.

    Move a batch to the model's device first; it is four times smaller before than after.

    Args:
        image_BCHW: uint8.
        mean, std: of a channel, for images in 0..1.
        out: a float32 tensor of the same shape to fill and return, where the last batch's is free again; on a CPU that
            takes half the time of making a new one.

    >>> white_BCHW = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    >>> normalise(white_BCHW, (0.5, 0.5, 0.5), (0.25, 0.5, 1.0)).flatten().tolist()
    [2.0, 1.0, 0.5]
    """
    shift_C11 = 255 * make_channels(mean, image_BCHW.device)
    scale_C11 = 1 / (255 * make_channels(std, image_BCHW.device))
    result = torch.empty(image_BCHW.shape, device=image_BCHW.device) if out is None else out
    if image_BCHW.device.type != "cpu":
        return result.copy_(image_BCHW).sub_(shift_C11).mul_(scale_C11)
    for image_CHW, out_CHW in zip(image_BCHW, result, strict=True):  # one at a time stays in the processor's cache
        out_CHW.copy_(image_CHW).sub_(shift_C11).mul_(scale_C11)
    return result


def make_channels(values: Sequence[float], device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a number for each channel as values_C11, made on the device: a copy from the CPU would make a step wait.

    >>> make_channels((1, 2, 3), torch.device("cpu")).shape
    torch.Size([3, 1, 1])
    """
    return torch.stack([torch.full((1, 1), value, dtype=dtype, device=device) for value in values])


class DecodedImages:
    """The images of a dataset, decoded and large enough: kept in memory, or decoded again each time.

    An image is kept where there is room when it is first read, and stays. Nothing is ever pushed out: over whole
    epochs, as much is saved as by any order of eviction.

    Args:
        data: the dataset.
        memory_bytes: most memory for kept images; 3 bytes a pixel.
        smallest: pixels that the short side of an image needs; a smaller image is enlarged
            (:func:`iqa_zoo.data.enlarge.enlarge`).

    Attributes:
        notes: on the images that were enlarged, of those read so far, by name.

    Raises:
        InputError: the dataset has no image files. When an image is read: it cannot be decoded.
    """

    def __init__(self, data: RatedImages, *, memory_bytes: int = 2 * GIB, smallest: int = 1):
        require_pixels(data)
        self.data, self.memory_bytes, self.smallest = data, memory_bytes, smallest
        self.notes: dict[str, str] = {}
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._memory_used = 0
        self._lock = threading.Lock()  # decoding runs in threads; what is counted must be counted once

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """The image at ``index`` of the dataset, image_CHW in 0..255. Not to be written to."""
        if (kept := self._kept.get(index)) is not None:
            return kept
        image_HWC, note = enlarge(read_image(self.data.paths[index]), self.smallest, self.data.paths[index])
        image_CHW = np.ascontiguousarray(image_HWC.transpose(2, 0, 1))
        if note:
            self.notes[self.data.names[index]] = note
        with self._lock:
            fits = self._memory_used + image_CHW.nbytes <= self.memory_bytes
            self._memory_used += image_CHW.nbytes if fits else 0
        if fits:
            self._kept[index] = image_CHW
        return image_CHW
