"""The proxy label of the demo set: the difference from the pristine reference, not human opinion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OWN_SHARE = 0.5
LARGEST_MDSI = 0.5**0.25  # the mean deviation of numbers in 0..1 is at most 1/2

Array = NDArray[np.float64]


def compute_mdsi(reference_HWC: NDArray[np.uint8], distorted_HWC: NDArray[np.uint8]) -> float:
    """Compute the mean deviation similarity index of two RGB images: 0 for equal images, larger is worse, below 0.85.

    Nafchi et al., "Mean deviation similarity index: efficient and reliable full-reference image quality
    evaluator", IEEE Access 4, 2016: gradient and chromaticity similarity, pooled by mean absolute deviation. Differs from
    the paper in two ways that do not matter at 224 x 224: no down-scaling to a short side of 256, and a negative similarity
    (with a complex fourth root) is set to 0.

    >>> flat = np.full((32, 32, 3), 128, np.uint8)
    >>> compute_mdsi(flat, flat)
    0.0
    """
    luma, gradient, chroma = _compute_structure(reference_HWC)
    other_luma, other_gradient, other_chroma = _compute_structure(distorted_HWC)
    between = _compute_gradient((luma + other_luma) / 2)
    edges = (
        _compute_similarity(gradient, other_gradient, 140)
        + _compute_similarity(other_gradient, between, 55)
        - _compute_similarity(gradient, between, 55)
    )
    energy = (chroma**2).sum(0) + (other_chroma**2).sum(0)
    colours = (2 * (chroma * other_chroma).sum(0) + 550) / (energy + 550)
    similarity = np.maximum(0.6 * edges + 0.4 * colours, 0) ** 0.25
    return float(np.abs(similarity - similarity.mean()).mean() ** 0.25)


def _compute_structure(image_HWC: NDArray[np.uint8]) -> tuple[Array, Array, Array]:
    """Compute luma, its gradient magnitude, and the two chromaticity channels of MDSI."""
    red, green, blue = image_HWC.astype(np.float64).transpose(2, 0, 1)
    luma = 0.2989 * red + 0.5870 * green + 0.1140 * blue
    chroma = np.stack([0.30 * red + 0.04 * green - 0.35 * blue, 0.34 * red - 0.60 * green + 0.17 * blue])
    return luma, _compute_gradient(luma), chroma


def _compute_gradient(luma: Array) -> Array:
    from scipy import ndimage

    rows, columns = (ndimage.prewitt(luma, axis=axis, mode="nearest") / 3 for axis in (0, 1))
    return np.sqrt(rows**2 + columns**2)


def _compute_similarity(one: Array, other: Array, constant: float) -> Array:
    return (2 * one * other + constant) / (one**2 + other**2 + constant)


def compute_proxy_scores(differences: Sequence[float], degradations: Sequence[object]) -> Array:
    """Turn the MDSI of each image into a score in 0..100, higher is better.

    score = 100 * (1 - d / 0.5**0.25), with d = (its own MDSI + the mean MDSI of its degradation) / 2.

    Opinion scores of synthetic databases depend mostly on the kind and strength of the degradation, less on the photograph. A
    full-reference measure varies more between photographs, partly because of masking, which people share, and partly because
    of its own errors. Averaging with the mean over contents halves this variation; the factor is not fitted.

    Args:
        differences: MDSI of each image to its reference.
        degradations: kind and level of each image.

    >>> compute_proxy_scores([0.0, 0.2, 0.4], ["none", "blur", "blur"]).round(1)
    array([100. ,  70.3,  58.4])
    """
    own = np.asarray(differences, dtype=np.float64)
    groups: dict[object, list[int]] = {}
    for index, degradation in enumerate(degradations):
        groups.setdefault(degradation, []).append(index)
    common = np.empty_like(own)
    for members in groups.values():
        common[members] = own[members].mean()
    return 100 * (1 - (OWN_SHARE * own + (1 - OWN_SHARE) * common) / LARGEST_MDSI)
