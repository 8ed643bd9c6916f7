"""A perceptual hash of images, and the pairs of images that it finds to look the same."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Of 256 bits. On LIVEC 98 % of JPEG copies at quality 50 and all half-size copies differ by at most 25, and no two
# different photographs by fewer than 37.
SAME_IMAGE = 25
_SIDE = 16


def perceptual_hash(image_HWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Hash an RGB image to 256 bits that survive scaling, compression and small crops (dHash).

    Each bit says whether the image, as 16 rows of 17 grey cells, gets brighter from a cell to the next. These bits
    cannot tell plain areas, ramps and stripes apart: an image within ``SAME_IMAGE`` bits of one whose rows are all equal
    is hashed by its exact pixels instead, so that only an exact copy looks the same.

    >>> photo_HWC = np.random.default_rng(0).integers(0, 256, (160, 170, 3), dtype=np.uint8)
    >>> darker = perceptual_hash(photo_HWC // 2)
    >>> int((darker != perceptual_hash(photo_HWC)).sum()) <= SAME_IMAGE
    True
    >>> red, blue = np.zeros((2, 32, 32, 3), np.uint8)
    >>> red[..., 0] = blue[..., 2] = 200
    >>> int((perceptual_hash(red) != perceptual_hash(blue)).sum()) > 3 * SAME_IMAGE
    True
    """
    grey = Image.fromarray(image_HWC).convert("L")
    cells = np.asarray(grey.resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)).astype(np.int16)
    brighter = cells[:, 1:] > cells[:, :-1]
    stripes = brighter.mean(axis=0) > 0.5
    if (brighter != stripes).sum() > SAME_IMAGE:
        return brighter.ravel()
    pixels = repr(image_HWC.shape).encode() + np.ascontiguousarray(image_HWC).tobytes()
    return np.unpackbits(np.frombuffer(hashlib.sha256(pixels).digest(), np.uint8)).astype(bool)


def near_duplicates(hashes_IB: NDArray[np.bool_], most: int = SAME_IMAGE) -> list[tuple[int, int]]:
    """The pairs of images, by index, whose hashes differ in at most ``most`` bits.

    >>> near_duplicates(np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0]], dtype=bool), most=1)
    [(0, 2)]
    """
    # Bits set in either, less twice those set in both: a product of 0/1 matrices, exact in float32.
    ones_IB = hashes_IB.astype(np.float32)
    counts_I = ones_IB.sum(axis=1)
    pairs = []
    for start in range(0, len(hashes_IB), 256):  # a block at a time keeps the distances of 40 000 images in memory
        block, rest = slice(start, start + 256), slice(start, None)  # earlier columns were compared before
        distance = counts_I[block, None] + counts_I[rest] - 2 * ones_IB[block] @ ones_IB[rest].T
        rows, columns = np.nonzero(distance <= most)
        pairs += [(start + int(row), start + int(column)) for row, column in zip(rows, columns, strict=True)]
    return sorted((first, second) for first, second in pairs if first < second)
