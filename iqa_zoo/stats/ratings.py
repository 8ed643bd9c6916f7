"""Models against the ratings of each image: errors beyond their noise, the ceiling that they set, raters as a baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.metrics import check_scores, plcc, srocc

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, init=False)
class Ratings:
    """MOS of each image with the deviation and the number of its ratings.

    Args:
        mos: mean rating of each image.
        deviations: standard deviation of the ratings of each image, in units of the MOS (that of the ratings, not of the
            mean).
        counts: ratings of each image, or one number for all; at least 2.

    Raises:
        InputError: no deviations, lengths that differ, fewer than three images, or a value that cannot be.

    >>> Ratings([1.0, 3.0, 5.0], [1.0, 1.2, 0.8], 16).errors
    array([0.25, 0.3 , 0.2 ])
    """

    mos: Array
    deviations: Array
    counts: Array

    def __init__(self, mos: ArrayLike, deviations: ArrayLike | None, counts: ArrayLike | None):
        if deviations is None or counts is None:
            missing = "deviation" if deviations is None else "number"
            raise InputError(f"the ratings have no {missing}; what depends on the noise of ratings cannot be computed")
        mos, deviations = check_scores(mos, deviations, names=("MOS", "deviation"))
        if (low := deviations < 0).any():
            raise InputError(f"the deviation of image {int(np.argmax(low))} is {deviations[low][0]}; give 0 or more")
        counts = np.asarray(counts, dtype=np.float64)
        if counts.ndim and counts.shape != mos.shape:
            raise InputError(
                f"{len(mos)} images and counts of shape {counts.shape}; give one number each, or one for all"
            )
        counts = np.broadcast_to(counts, mos.shape)
        if (few := ~((counts >= 2) & np.isfinite(counts))).any():
            raise InputError(
                f"image {int(np.argmax(few))} has {counts[few][0]:g} ratings; a deviation needs at least 2"
            )
        for name, values in (("mos", mos), ("deviations", deviations), ("counts", counts)):
            object.__setattr__(self, name, values)

    @property
    def errors(self) -> Array:
        """Standard error of the MOS of each image."""
        return self.deviations / np.sqrt(self.counts)

    def compute_half_widths(self, confidence: float = 0.95) -> Array:
        """Half the width of the confidence interval of the MOS of each image (Student's t, ITU-T P.1401, 7.4)."""
        return stats.t.ppf((1 + confidence) / 2, self.counts - 1) * self.errors

    @property
    def reliability(self) -> float:
        """Share of the variance of the MOS that is not noise of the ratings, 0 to 1."""
        spread = float(self.mos.var(ddof=1))
        return max(0.0, 1 - float((self.errors**2).mean()) / spread) if spread > 0 else 0.0


def compute_outlier_ratio(scores: ArrayLike, ratings: Ratings) -> float:
    """Share of images whose score lies outside the 95 % interval of their MOS, 0..1, lower is better (ITU-T P.1401, 7.5.2).

    Scores are on the scale of the MOS: map them first, for instance by :func:`iqa_zoo.stats.metrics.fit_logistic4`.

    >>> compute_outlier_ratio([1.0, 3.5, 5.0, 3.0], Ratings([1.0, 3.0, 5.0, 4.0], [1.0] * 4, 16))
    0.25
    """
    predicted, mos = check_scores(scores, ratings.mos)
    return float((np.abs(predicted - mos) > ratings.compute_half_widths()).mean())


def compute_rmse_star(scores: ArrayLike, ratings: Ratings, *, freedom: int = 1) -> float:
    """Epsilon-insensitive root mean squared error, RMSE*, in units of the MOS, lower is better (ITU-T P.1401, 7.7).

    Of each error, only what exceeds half the 95 % interval of the MOS counts.

    Args:
        scores: on the scale of the MOS.
        ratings: of the same images.
        freedom: parameters of the mapping of scores to the scale: 1 without one, 4 for a third-order polynomial or
            ``logistic4``.

    Raises:
        InputError: also for no more images than parameters.

    >>> ratings = Ratings([1.0, 3.0, 5.0], [1.0, 1.0, 1.0], 16)  # half widths of 2.1314 / 4 = .5329
    >>> round(compute_rmse_star([1.0, 3.5, 4.0], ratings), 4)  # sqrt(.4671^2 / 2)
    0.3303
    """
    predicted, mos = check_scores(scores, ratings.mos)
    if not 0 <= freedom < len(mos):
        raise InputError(f"freedom is {freedom} for {len(mos)} images; give fewer, at least 0")
    beyond = np.maximum(np.abs(predicted - mos) - ratings.compute_half_widths(), 0.0)
    return math.sqrt(float((beyond**2).sum()) / (len(mos) - freedom))


@dataclass(frozen=True)
class Ceiling:
    """What a model that knows the true quality of each image reaches against the MOS, on average.

    Attributes:
        srocc, plcc: correlation with the MOS, 0..1.
        reliability: share of the variance of the MOS that is not noise.
    """

    srocc: float
    plcc: float
    reliability: float


def compute_ceiling(ratings: Ratings, *, repeats: int = 200, seed: int = 0) -> Ceiling:
    """Compute the ceiling that the noise of the ratings sets on the correlations with the MOS.

    PLCC by the attenuation formula (Spearman 1904): the root of the reliability. SROCC by simulation: true qualities are
    the MOS, drawn towards their mean until their variance is the true one, and new MOS are drawn around them with each
    image's standard error.

    Args:
        ratings: MOS, deviations and counts.
        repeats: simulated MOS.
        seed: of the simulation.

    Raises:
        InputError: all MOS are equal, or noise explains their whole variance.

    >>> found = compute_ceiling(Ratings([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5, 10))
    >>> round(found.reliability, 3), round(found.plcc, 3), found.srocc < 1
    (0.96, 0.98, True)
    """
    reliability = _check_reliability(ratings)
    mean = ratings.mos.mean()
    quality_I = mean + math.sqrt(reliability) * (ratings.mos - mean)
    noise_RI = np.random.default_rng(seed).standard_normal((repeats, len(quality_I))) * ratings.errors
    found = [srocc(quality_I, quality_I + noise_I) for noise_I in noise_RI]
    return Ceiling(float(np.nanmean(found)), math.sqrt(reliability), reliability)


def count_equal_raters(scores: ArrayLike, ratings: Ratings) -> float:
    """Number of raters whose mean rating correlates with the MOS (PLCC) as the model does.

    The raters are others than those of the MOS, with the noise of an average image. With V the true variance of quality,
    M that of the MOS and s^2 the mean variance of ratings, the mean of n raters has a PLCC of
    V / sqrt((V + s^2 / n) M), which is solved for n.

    Args:
        scores: of the model; map them first if their relation to the MOS is not linear.
        ratings: of the same images.

    Returns:
        The number, which can be below 1; 0 where the PLCC is not positive, and infinity where it is at least the ceiling of
        :func:`compute_ceiling`.

    Raises:
        InputError: also for scores that are all equal, equal MOS, and noise that explains all of their variance.

    >>> ratings = Ratings([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5, 10)
    >>> round(count_equal_raters([1.0, 3.0, 2.0, 4.0, 5.0], ratings), 1)
    2.3
    """
    correlation = plcc(scores, ratings.mos)
    reliability = _check_reliability(ratings)
    if math.isnan(correlation):
        raise InputError("all scores are equal, so the model has no correlation to match")
    if correlation <= 0:
        return 0.0
    spread = float(ratings.mos.var(ddof=1))
    true = reliability * spread
    missing = true**2 / (correlation**2 * spread) - true
    return float((ratings.deviations**2).mean()) / missing if missing > 0 else math.inf


def _check_reliability(ratings: Ratings) -> float:
    reliability = ratings.reliability
    if reliability == 0:
        raise InputError("the MOS vary no more than the noise of the ratings explains; no correlation can be expected")
    return reliability
