"""Crop positions: random for training, fixed for scoring."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.errors import InputError


def sample_crop_boxes(height: int, width: int, size: int, count: int, seed_key: str) -> list[tuple[int, int]]:
    """Sample the (top, left) corners of ``count`` square training crops, uniformly over the image.

    The same key gives the same boxes on every machine, and the first boxes do not depend on ``count``. For other boxes, add
    the seed or the epoch to the key: ``f"{name}/epoch{epoch}"``.

    Args:
        height, width: size of the image in pixels.
        size: side of a crop in pixels.
        count: number of crops.
        seed_key: usually the image's name, which errors quote.

    Raises:
        InputError: the image is smaller than the crop.

    >>> sample_crop_boxes(224, 224, size=224, count=2, seed_key="cat.png")
    [(0, 0), (0, 0)]
    >>> sample_crop_boxes(500, 500, size=224, count=2, seed_key="cat.png")
    [(39, 118), (44, 43)]
    """
    _check_crops(height, width, size, count, seed_key)
    draws = [_draw(f"{seed_key}/crop/{index}") for index in range(count)]
    return [(row % (height - size + 1), column % (width - size + 1)) for row, column in draws]


def sample_crop_flips(count: int, seed_key: str) -> list[bool]:
    """Sample which of ``count`` crops are mirrored left to right, each with probability 1/2."""
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
def compute_grid_boxes(height: int, width: int, size: int, count: int) -> tuple[tuple[int, int], ...]:
    """Compute the (top, left) corners of ``count`` square crops for scoring, evenly spread over the image.

    Positions depend only on the image size and the count.

    - If the image is at least as wide as high, the crops form R rows; otherwise they form columns by the same rule.
    - The outer rows, and the ends of each row, touch the image border. A single row or crop is centred.
    - If ``count`` is not a multiple of R, the middle row or the outer rows hold one crop more.
    - R is at most the rounded-up square root of ``count``, and odd for an odd ``count``. It maximizes the covered area; between
      equals, (height - size + 1) / R and (width - size + 1) * R / count are as similar as possible.

    Mirroring the image mirrors the boxes (up to one pixel of rounding), and transposing an image that is not square transposes
    them. The boxes are distinct if the longer side exceeds ``size`` by at least ``count - 1`` pixels.

    Args:
        height, width: size of the image in pixels; at least ``size`` (see :func:`iqa_zoo.data.enlarge.enlarge`).
        size: side of a crop in pixels.
        count: number of crops.

    Raises:
        InputError: the image is smaller than the crop, or a number is below 1.

    >>> compute_grid_boxes(300, 500, size=200, count=1)
    ((50, 150),)
    >>> compute_grid_boxes(300, 500, size=200, count=5)
    ((0, 0), (0, 300), (50, 150), (100, 0), (100, 300))
    """
    _check_crops(height, width, size, count, "the image")
    if height > width:
        return tuple((top, left) for left, top in compute_grid_boxes(width, height, size, count))
    tall, wide = height - size + 1, width - size + 1  # positions of a crop

    def rank(rows: int) -> tuple[int, int, float]:
        repeated = max(0, rows - tall) + max(0, -(-count // rows) - wide)
        covered = _count_covered_pixels(_place_rows(tall - 1, wide - 1, rows, count), size)
        return repeated, -covered, abs(math.log(rows**2 * wide / (count * tall)))

    possible = [rows for rows in range(1, math.isqrt(count - 1) + 2) if rows % 2 or count % 2 == 0]
    return tuple(_place_rows(tall - 1, wide - 1, min(possible, key=rank), count))


def cut_grid_crops(image_HWC: NDArray[np.uint8], size: int, count: int) -> NDArray[np.uint8]:
    """Cut the crops of :func:`compute_grid_boxes` out of a decoded image: uint8 (count, size, size, 3)."""
    return cut_crops(image_HWC, compute_grid_boxes(*image_HWC.shape[:2], size, count), size)


def _place_rows(below: int, beside: int, rows: int, count: int) -> list[tuple[int, int]]:
    """Place ``count`` corners in rows, from 0 to ``below`` vertically and from 0 to ``beside`` horizontally."""
    columns, more = divmod(count, rows)
    lengths = [columns] * rows
    if more % 2:
        lengths[rows // 2] += 1
    for row in range(more // 2):
        lengths[row] += 1
        lengths[-1 - row] += 1
    tops = _space_evenly(below, rows)
    return [(top, left) for top, length in zip(tops, lengths, strict=True) for left in _space_evenly(beside, length)]


def _count_covered_pixels(boxes: Sequence[tuple[int, int]], size: int) -> int:
    """Count the pixels in at least one of the boxes."""
    edges = sorted({edge for top, _ in boxes for edge in (top, top + size)})
    pixels = 0
    for upper, lower in itertools.pairwise(edges):
        lefts = sorted(left for top, left in boxes if top <= upper < top + size)
        across = sum(min(size, right - left) for left, right in itertools.pairwise(lefts)) + (size if lefts else 0)
        pixels += (lower - upper) * across
    return pixels


def _space_evenly(room: int, count: int) -> list[int]:
    """Space ``count`` integers from 0 to ``room`` evenly and symmetrically; a single one is in the middle."""
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
