"""Near-duplicate images, found by a perceptual hash."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Of 256 bits. On LIVEC 98 % of JPEG copies at quality 50 and all half-size copies differ by at most 25, and no two
# different photographs by fewer than 37.
SAME_IMAGE = 25
_SIDE = 16


def compute_perceptual_hash(image_HWC: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Hash an RGB image to 256 bits that survive scaling, compression and small crops (dHash).

    The image is reduced to 16 rows of 17 grey cells; each bit compares two neighbours in a row. These bits do not separate
    plain areas, ramps and stripes. An image within ``SAME_IMAGE`` bits of one with equal rows is therefore hashed by its exact
    pixels, so that only exact copies match.

    >>> photo_HWC = np.random.default_rng(0).integers(0, 256, (160, 170, 3), dtype=np.uint8)
    >>> darker = compute_perceptual_hash(photo_HWC // 2)
    >>> int((darker != compute_perceptual_hash(photo_HWC)).sum()) <= SAME_IMAGE
    True
    >>> red, blue = np.zeros((2, 32, 32, 3), np.uint8)
    >>> red[..., 0] = blue[..., 2] = 200
    >>> int((compute_perceptual_hash(red) != compute_perceptual_hash(blue)).sum()) > 3 * SAME_IMAGE
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


def find_near_duplicates(hashes_IB: NDArray[np.bool_], most: int = SAME_IMAGE) -> list[tuple[int, int]]:
    """Find the pairs of images, by index, whose hashes differ in at most ``most`` bits.

    >>> find_near_duplicates(np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0]], dtype=bool), most=1)
    [(0, 2)]
    """
    # |a| + |b| - 2 a.b for 0/1 vectors, exact in float32.
    ones_IB = hashes_IB.astype(np.float32)
    counts_I = ones_IB.sum(axis=1)
    pairs = []
    for start in range(0, len(hashes_IB), 256):  # blocks limit the memory for 40 000 images
        block, rest = slice(start, start + 256), slice(start, None)  # earlier columns are already compared
        distance = counts_I[block, None] + counts_I[rest] - 2 * ones_IB[block] @ ones_IB[rest].T
        rows, columns = np.nonzero(distance <= most)
        pairs += [(start + int(row), start + int(column)) for row, column in zip(rows, columns, strict=True)]
    return sorted((first, second) for first, second in pairs if first < second)
