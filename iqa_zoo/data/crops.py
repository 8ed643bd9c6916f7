"""Where to crop an image: random boxes that depend on nothing but the image's size and a key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError


def crop_boxes(height: int, width: int, size: int, count: int, seed_key: str) -> list[tuple[int, int]]:
    """Choose the (top, left) corners of ``count`` square crops, uniformly over the image.

    The same key gives the same boxes on every machine, and asking for more crops does not move the first
    ones. Put the seed or the epoch into the key for other boxes: ``f"{name}/epoch{epoch}"``.

    Args:
        height, width: of the image, in pixels.
        size: side of a crop, in pixels.
        count: how many crops.
        seed_key: usually the image's name; errors name it.

    Raises:
        InputError: the image is smaller than the crop.

    >>> crop_boxes(224, 224, size=224, count=2, seed_key="cat.png")
    [(0, 0), (0, 0)]
    >>> crop_boxes(500, 500, size=224, count=2, seed_key="cat.png")
    [(39, 118), (44, 43)]
    """
    if size < 1 or count < 1:
        raise InputError(f"crop size {size} and count {count} must be at least 1")
    if min(height, width) < size:
        scale = size / min(height, width)
        larger = f"{max(size, round(height * scale))}x{max(size, round(width * scale))}"
        raise InputError(
            f"{seed_key} is {height}x{width} pixels (height x width), smaller than the {size}x{size} crop;"
            f" upscale so that its short side is at least {size} (for instance to {larger}),"
            " or choose a backbone that takes smaller images"
        )
    draws = [_draw(f"{seed_key}/crop/{index}") for index in range(count)]
    return [(row % (height - size + 1), column % (width - size + 1)) for row, column in draws]


def crop_flips(count: int, seed_key: str) -> list[bool]:
    """Choose which of ``count`` crops are mirrored left to right, each with probability one half."""
    return [_draw(f"{seed_key}/flip/{index}")[0] % 2 == 1 for index in range(count)]


def cut_crops(
    image_HWC: NDArray[np.uint8], boxes: Sequence[tuple[int, int]], size: int, flips: Sequence[bool] | None = None
) -> NDArray[np.uint8]:
    """Cut square crops out of a decoded image: uint8 (crop, size, size, 3)."""
    crops = np.empty((len(boxes), size, size, 3), dtype=np.uint8)
    for index, (top, left) in enumerate(boxes):
        crop_HWC = image_HWC[top : top + size, left : left + size]
        crops[index] = crop_HWC[:, ::-1] if flips is not None and flips[index] else crop_HWC
    return crops


def load_crops(
    path: str | Path, size: int, count: int, *, seed_key: str | None = None, flip: bool = False
) -> NDArray[np.uint8]:
    """Decode an image once and cut all its crops: uint8 (count, size, size, 3).

    Args:
        path: the image file.
        size: side of a crop, in pixels.
        count: how many crops; one crop of an image of exactly that size is the image itself.
        seed_key: what the boxes depend on besides the image's size; the file name if not given.
        flip: whether crops are mirrored at random, by the same key.

    Raises:
        InputError: the file cannot be read, or the image is smaller than the crop.
    """
    path = Path(path)
    key = path.name if seed_key is None else seed_key
    image_HWC = read_image(path)
    height, width = image_HWC.shape[:2]
    try:
        boxes = crop_boxes(height, width, size, count, key)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return cut_crops(image_HWC, boxes, size, crop_flips(count, key) if flip else None)


def _draw(key: str) -> tuple[int, int]:
    """Two numbers in 0..2**64-1 that every machine and library version derives alike."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")
