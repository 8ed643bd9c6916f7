"""Where to crop an image: random boxes to train on, boxes at fixed positions to score."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError


def crop_boxes(height: int, width: int, size: int, count: int, seed_key: str) -> list[tuple[int, int]]:
    """Choose the (top, left) corners of ``count`` square training crops, uniformly over the image.

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
    _check_crops(height, width, size, count, seed_key)
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


@functools.lru_cache(maxsize=1024)
def grid_boxes(height: int, width: int, size: int, count: int) -> tuple[tuple[int, int], ...]:
    """Return the (top, left) corners of ``count`` square crops at fixed positions, spread evenly over the image.

    A score is computed from these crops. Their positions depend on the image's size and on the count alone.

    - In an image that is at least as wide as high the crops stand in R rows; in a higher one, in columns by the same rule.
    - The outer rows touch the borders of the image, and so do the ends of each row. A single row, and the crop of a row
      of one, is centred.
    - Where ``count`` is no multiple of R, the middle row or the outer rows hold one crop more than the others.
    - R, at most the rounded-up square root of ``count``, is the number with which the crops cover most of the image, and
      among equals the one that makes (height - size + 1) / R and (width - size + 1) * R / count most alike. An odd
      ``count`` has an odd R.

    Mirroring the image mirrors the boxes (up to one pixel where something is centred in an odd number of pixels), and
    transposing an image that is not square transposes them. The boxes are distinct where the longer side exceeds ``size``
    by ``count - 1`` pixels or more.

    Args:
        height, width: of the image, in pixels; at least ``size`` (see :func:`iqa_zoo.data.enlarge.enlarge`).
        size: side of a crop, in pixels.
        count: how many crops.

    Raises:
        InputError: the image is smaller than the crop, or a number is below 1.

    >>> grid_boxes(300, 500, size=200, count=1)
    ((50, 150),)
    >>> grid_boxes(300, 500, size=200, count=5)
    ((0, 0), (0, 300), (50, 150), (100, 0), (100, 300))
    """
    _check_crops(height, width, size, count, "the image")
    if height > width:
        return tuple((top, left) for left, top in grid_boxes(width, height, size, count))
    tall, wide = height - size + 1, width - size + 1  # positions of a crop

    def rank(rows: int) -> tuple[int, int, float]:
        repeated = max(0, rows - tall) + max(0, -(-count // rows) - wide)
        covered = _covered_pixels(_grid(tall - 1, wide - 1, rows, count), size)
        return repeated, -covered, abs(math.log(rows**2 * wide / (count * tall)))

    possible = [rows for rows in range(1, math.isqrt(count - 1) + 2) if rows % 2 or count % 2 == 0]
    return tuple(_grid(tall - 1, wide - 1, min(possible, key=rank), count))


def grid_crops(image_HWC: NDArray[np.uint8], size: int, count: int) -> NDArray[np.uint8]:
    """Cut the crops of :func:`grid_boxes` out of a decoded image: uint8 (count, size, size, 3)."""
    return cut_crops(image_HWC, grid_boxes(*image_HWC.shape[:2], size, count), size)


def load_grid_crops(path: str | Path, size: int, count: int) -> tuple[NDArray[np.uint8], str]:
    """Decode an image once and cut the crops of :func:`grid_boxes`; an image smaller than a crop is enlarged first.

    Returns:
        uint8 (count, size, size, 3), and a note on the enlargement, empty where there was none.

    Raises:
        InputError: the file cannot be read, or the enlarged image would have too many pixels; names the file.
    """
    path = Path(path)
    image_HWC, note = enlarge(read_image(path), size, path)
    return grid_crops(image_HWC, size, count), note


def _grid(below: int, beside: int, rows: int, count: int) -> list[tuple[int, int]]:
    """``count`` corners in rows, the last of them ``below`` the first row and ``beside`` the first column."""
    columns, more = divmod(count, rows)
    lengths = [columns] * rows
    if more % 2:
        lengths[rows // 2] += 1
    for row in range(more // 2):
        lengths[row] += 1
        lengths[-1 - row] += 1
    tops = _spread(below, rows)
    return [(top, left) for top, length in zip(tops, lengths, strict=True) for left in _spread(beside, length)]


def _covered_pixels(boxes: Sequence[tuple[int, int]], size: int) -> int:
    """How many pixels lie in at least one of the boxes."""
    edges = sorted({edge for top, _ in boxes for edge in (top, top + size)})
    pixels = 0
    for upper, lower in itertools.pairwise(edges):
        lefts = sorted(left for top, left in boxes if top <= upper < top + size)
        across = sum(min(size, right - left) for left, right in itertools.pairwise(lefts)) + (size if lefts else 0)
        pixels += (lower - upper) * across
    return pixels


def _spread(room: int, count: int) -> list[int]:
    """``count`` integers from 0 to ``room``, evenly spread and symmetric about the middle; one stands in the middle."""
    half = [int(room * index / (count - 1) + 0.5) for index in range(count // 2)]
    middle = [room // 2] if count % 2 else []
    return [*half, *middle, *(room - value for value in reversed(half))]


def _check_crops(height: int, width: int, size: int, count: int, name: str) -> None:
    if size < 1 or count < 1:
        raise InputError(f"crop size {size} and count {count} must be at least 1")
    if min(height, width) < size:
        raise InputError(
            f"{name} is {height}x{width} pixels (height x width), smaller than the {size}x{size} crop; enlarge it first"
        )


def _draw(key: str) -> tuple[int, int]:
    """Two numbers in 0..2**64-1 that every machine and library version derives alike."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")
