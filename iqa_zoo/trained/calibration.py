"""What turns a score into an interval with stated coverage, a percentile and a word.

Intervals are split conformal (Lei et al., Journal of the American Statistical Association 113, 2018) with residuals divided by a
spread that grows with the distance of an image from the training photographs, so that they are wider for unusual images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqa_zoo.errors import InputError

Array = NDArray[np.float64]
WORDS = ("bad", "poor", "fair", "good", "excellent")  # Recommendation ITU-R BT.500, the five-grade quality scale
QUANTILES = 101
LEAST_SLOPE = 0.5  # the spread at twice the median distance is at least 1.5 times that at the median


@dataclass(frozen=True)
class HeldOut:
    """Images that a model was not trained on, in one split.

    Attributes:
        images: their positions in the data.
        predictions: on the scale of the ratings.
        distances: of their features from those of the split's training images.
    """

    images: NDArray[np.int64]
    predictions: Array
    distances: Array


@dataclass(frozen=True)
class Calibration:
    """The numbers behind interval, percentile and flags.

    Attributes:
        coverage: stated share of ratings inside their interval.
        quantile: half the width of an interval at the median distance, in units of the ratings.
        median_distance: of held-out photographs.
        slope: how fast the width grows: at distance d it is 1 + slope * max(0, d / median_distance - 1) times that.
        farthest: 99th percentile of the distances of held-out photographs; farther ones are unlike them.
        ratings: quantiles of the ratings, from the lowest to the highest in equal steps of their share.
    """

    coverage: float
    quantile: float
    median_distance: float
    slope: float
    farthest: float
    ratings: tuple[float, ...]

    def compute_half_width(self, distance: ArrayLike) -> Array:
        """Return half the width of the interval at some distances."""
        return self.quantile * compute_spread(distance, self.median_distance, self.slope)

    def compute_percentile(self, score: float, *, higher_is_better: bool = True) -> float:
        """Return the percentage of rated photographs that are of lower quality than a score.

        >>> Calibration(0.9, 5.0, 1.0, 0.5, 2.0, (0.0, 50.0, 100.0)).compute_percentile(25.0)
        25.0
        """
        share = float(np.interp(score, self.ratings, np.linspace(0, 100, len(self.ratings))))
        return share if higher_is_better else 100 - share


def compute_spread(distance: ArrayLike, median_distance: float, slope: float) -> Array:
    """Return by how much wider an interval is at some distances than at the median distance.

    >>> compute_spread([0.5, 1.0, 2.0], median_distance=1.0, slope=0.5).tolist()
    [1.0, 1.0, 1.5]
    """
    excess = np.asarray(distance, dtype=np.float64) / median_distance - 1
    return np.asarray(1 + slope * np.maximum(0, excess))


def fit_calibration(held_out: Sequence[HeldOut], mos: Array, *, coverage: float = 0.9) -> Calibration:
    """Fit the numbers of a calibration to predictions of held-out images.

    Args:
        held_out: of several splits; an image may be in several.
        mos: ratings of all images.
        coverage: to state.

    Raises:
        InputError: too few images for this coverage.
    """
    residuals = np.concatenate([np.abs(mos[part.images] - part.predictions) for part in held_out])
    distances = np.concatenate([part.distances for part in held_out])
    median = float(np.median(distances))
    slope = _fit_slope(residuals, distances, median)
    images = len(np.unique(np.concatenate([part.images for part in held_out])))  # repeated images add no certainty
    rank = _round_up((images + 1) * coverage)
    if rank > images:
        raise InputError(
            f"{images} held-out images are too few for intervals of {coverage:.0%}; give at least "
            f"{_round_up(coverage / (1 - coverage))}"
        )
    scaled = np.sort(residuals / compute_spread(distances, median, slope))
    quantile = scaled[
        -(-rank * len(scaled) // images) - 1
    ]  # the rank among images, where each may have several residuals
    return Calibration(
        coverage=coverage,
        quantile=float(quantile),
        median_distance=median,
        slope=slope,
        farthest=float(np.quantile(distances, 0.99)),
        ratings=tuple(np.quantile(mos, np.linspace(0, 1, QUANTILES)).tolist()),
    )


def _round_up(number: float) -> int:
    """Return the next integer, of 9.000000000000002 too 9."""
    return math.ceil(number - 1e-9)


def _fit_slope(residuals: Array, distances: Array, median: float) -> float:
    """Return the slope of the residuals' size by least squares, at least ``LEAST_SLOPE``."""
    excess = np.maximum(0, distances / median - 1)
    design = np.stack([np.ones_like(excess), excess], axis=1)
    base, rise = np.linalg.lstsq(design, residuals, rcond=None)[0]
    return max(LEAST_SLOPE, float(rise / base)) if base > 0 else LEAST_SLOPE


def measure_coverage(held_out: Sequence[HeldOut], mos: Array, *, coverage: float = 0.9) -> float:
    """Measure the share of held-out ratings inside their interval.

    The intervals of a split are calibrated by the predictions of the other splits for images that it does not hold out.

    Args:
        held_out: of at least two splits.
        mos: ratings of all images.
        coverage: that the intervals state.

    Raises:
        InputError: one split only, or too few images.
    """
    if len(held_out) < 2:
        raise InputError("coverage needs at least two splits: one to calibrate with, one to measure on")
    inside = []
    for number, part in enumerate(held_out):
        others = [_without(other, part.images) for position, other in enumerate(held_out) if position != number]
        half = fit_calibration(others, mos, coverage=coverage).compute_half_width(part.distances)
        inside.append(np.abs(mos[part.images] - part.predictions) <= half)
    return float(np.concatenate(inside).mean())


def _without(part: HeldOut, images: NDArray[np.int64]) -> HeldOut:
    kept = ~np.isin(part.images, images)
    return HeldOut(part.images[kept], part.predictions[kept], part.distances[kept])


def find_word(score: float, score_range: tuple[float, float], *, higher_is_better: bool = True) -> str:
    """Return the word for a score: the scale of the ratings is divided into five equal parts.

    >>> find_word(85.0, (0, 100)), find_word(85.0, (0, 100), higher_is_better=False), find_word(-3.0, (0, 100))
    ('excellent', 'bad', 'bad')
    """
    low, high = score_range
    share = (score - low) / (high - low)
    part = min(len(WORDS) - 1, max(0, math.floor((share if higher_is_better else 1 - share) * len(WORDS))))
    return WORDS[part]
