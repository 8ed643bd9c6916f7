"""Agreement between predicted scores and the labels of the same images.

Every metric takes ``(scores, mos)``, one number an image each, on the same scale and in the same direction. A model
trained on DMOS predicts DMOS, so a good model correlates positively on every dataset. Correlations lie in -1..1, higher
is better; errors are in units of the labels, lower is better. A correlation of scores or labels that are all equal is
undefined and nan.

All raise InputError for lengths that differ, values that are not finite, or fewer than three images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import expit
from scipy.stats import kendalltau, rankdata

from iqa_zoo.errors import InputError

Array = NDArray[np.float64]
Metric = Callable[[ArrayLike, ArrayLike], float]

# Spread below which numbers count as all the same: what rounding leaves of a constant.
_ROUNDING = 1e-13


def srocc(scores: ArrayLike, mos: ArrayLike) -> float:
    """Spearman's rank-order correlation; ties share their mean rank.

    >>> round(srocc([1, 2, 3, 4], [10, 20, 40, 30]), 3)
    0.8
    """
    return _correlate(scores, mos, lambda predicted, labels: _pearson(rankdata(predicted), rankdata(labels)))


def krocc(scores: ArrayLike, mos: ArrayLike) -> float:
    """Kendall's rank-order correlation, tau-b, which allows for ties.

    >>> round(krocc([1, 2, 3, 4], [10, 20, 40, 30]), 3)
    0.667
    """
    return _correlate(scores, mos, lambda predicted, labels: float(kendalltau(predicted, labels).statistic))


def plcc(scores: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's linear correlation of the raw scores, without a fit.

    >>> round(plcc([1, 2, 3], [2, 4, 6]), 3)
    1.0
    """
    return _correlate(scores, mos, _pearson)


def rmse(scores: ArrayLike, mos: ArrayLike) -> float:
    """Root mean squared error of the raw scores, in units of the labels.

    >>> rmse([1, 2, 3, 4], [1, 2, 3, 8])
    2.0
    """
    predicted, labels = check_scores(scores, mos)
    return float(np.sqrt(np.mean((predicted - labels) ** 2)))


def mae(scores: ArrayLike, mos: ArrayLike) -> float:
    """Mean absolute error of the raw scores, in units of the labels.

    >>> mae([1, 2, 3, 4], [1, 2, 3, 8])
    1.0
    """
    predicted, labels = check_scores(scores, mos)
    return float(np.mean(np.abs(predicted - labels)))


def logistic4(scores: ArrayLike, parameters: ArrayLike) -> Array:
    """The 4-parameter logistic (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) + b2, from the VQEG's final report
    on the validation of objective models (phase I, 2000).

    >>> logistic4([-1000.0, 5.0, 1000.0], [100, 0, 5, 2]).round().tolist()
    [0.0, 50.0, 100.0]
    """
    b1, b2, b3, b4 = np.asarray(parameters, dtype=np.float64)
    return (b1 - b2) * expit((np.asarray(scores, dtype=np.float64) - b3) / abs(b4)) + b2


def fit_logistic4(scores: ArrayLike, mos: ArrayLike) -> Array:
    """Least-squares parameters (b1, b2, b3, b4) of :func:`logistic4` from scores to labels.

    The curve may fall as well as rise: a metric after the fit does not depend on the direction of the scores.

    Raises:
        InputError: also for fewer than five images, and for scores that are all the same.
    """
    predicted, labels = check_scores(scores, mos, at_least=5)
    return np.array(_fit_logistic4(predicted.tobytes(), labels.tobytes()))


@lru_cache(maxsize=64)
def _fit_logistic4(scores: bytes, mos: bytes) -> tuple[float, float, float, float]:
    """Fit once for all metrics of the same predictions: a fit costs more than all other metrics together."""
    predicted, labels = np.frombuffer(scores), np.frombuffer(mos)
    x, x_mean, x_std, y, y_mean, y_std = _standardize(predicted, labels)
    sign = 1.0 if np.dot(x, y) >= 0 else -1.0
    # Shallow and steep starts: a nearly linear relation and a step are both common.
    starts = [np.array([2 * sign, -2 * sign, 0.0, width]) for width in (0.25, 1.0)]
    b1, b2, b3, b4 = _fit(logistic4, starts, x, y)
    return b1 * y_std + y_mean, b2 * y_std + y_mean, b3 * x_std + x_mean, abs(b4) * x_std


def plcc_logistic4(scores: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's correlation after the fitted 4-parameter logistic; needs five images."""
    return _correlate(scores, mos, lambda x, y: _pearson(logistic4(x, fit_logistic4(x, y)), y), at_least=5)


def rmse_logistic4(scores: ArrayLike, mos: ArrayLike) -> float:
    """Root mean squared error after the fitted 4-parameter logistic, in units of the labels; needs five
    images. Scores that are all the same have the error of the best constant."""
    predicted, labels = check_scores(scores, mos, at_least=5)
    if _is_constant(predicted):
        return float(labels.std())
    return rmse(logistic4(predicted, fit_logistic4(predicted, labels)), labels)


METRICS: dict[str, Metric] = {
    "srocc": srocc,
    "krocc": krocc,
    "plcc": plcc,
    "plcc_logistic4": plcc_logistic4,
    "rmse": rmse,
    "rmse_logistic4": rmse_logistic4,
}


def explain_undefined(scores: ArrayLike, mos: ArrayLike) -> str | None:
    """Return why the correlations of scores and labels are undefined; None where they are defined.

    >>> explain_undefined([2, 2, 2], [1, 2, 3]), explain_undefined([1, 2, 3], [1, 2, 3])
    ('all scores are equal', None)
    """
    predicted, labels = check_scores(scores, mos)
    if _is_constant(predicted):
        return "all scores are equal"
    return "all labels are equal" if _is_constant(labels) else None


def check_scores(
    scores: ArrayLike, mos: ArrayLike, at_least: int = 3, names: tuple[str, str] = ("score", "label")
) -> tuple[Array, Array]:
    """Return both as float64 arrays.

    Raises:
        InputError: lengths that differ, values that are not finite, or fewer images than ``at_least``.

    >>> check_scores([1, 2], [3, 4], at_least=2)
    (array([1., 2.]), array([3., 4.]))
    """
    predicted, labels = np.asarray(scores, dtype=np.float64), np.asarray(mos, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != labels.shape:
        shapes = f"{names[0]}s of shape {predicted.shape} and {names[1]}s of shape {labels.shape}"
        raise InputError(f"{shapes}; give one of each to every image")
    for what, values in zip(names, (predicted, labels), strict=True):
        if not np.isfinite(values).all():
            first = int(np.argmin(np.isfinite(values)))
            raise InputError(f"the {what} of image {first} is {values[first]}; every image needs a finite number")
    if len(labels) < at_least:
        raise InputError(f"{len(labels)} images; this needs at least {at_least}")
    return predicted, labels


def _is_constant(values: Array) -> bool:
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _correlate(
    scores: ArrayLike, mos: ArrayLike, correlate: Callable[[Array, Array], float], at_least: int = 3
) -> float:
    predicted, labels = check_scores(scores, mos, at_least)
    return math.nan if _is_constant(predicted) or _is_constant(labels) else correlate(predicted, labels)


def _pearson(x: Array, y: Array) -> float:
    if _is_constant(x) or _is_constant(y):
        return float("nan")
    # Scaled before it is squared: numbers near the ends of the float range keep their correlation.
    x, y = ((v - v.mean()) / np.ptp(v) for v in (x, y))
    return float(np.clip(np.dot(x, y) / np.sqrt(np.dot(x, x) * np.dot(y, y)), -1, 1))


def _standardize(scores: Array, mos: Array) -> tuple[Array, float, float, Array, float, float]:
    if _is_constant(scores):
        raise InputError("no logistic can be fitted: all scores are the same")
    # Labels that are all the same need no scale.
    spread = 1.0 if _is_constant(mos) else float(mos.std())
    x_mean, x_std, y_mean = float(scores.mean()), float(scores.std()), float(mos.mean())
    return (scores - x_mean) / x_std, x_mean, x_std, (mos - y_mean) / spread, y_mean, spread


def _fit(
    curve: Callable[[ArrayLike, ArrayLike], Array],
    starts: list[Array],
    scores: Array,
    mos: Array,
) -> Array:
    # The best of a bounded number of steps is kept: a nearly linear relation is fitted ever better by ever
    # larger parameters and never converges.
    fits = [least_squares(lambda parameters: curve(scores, parameters) - mos, start, max_nfev=200) for start in starts]
    return min(fits, key=lambda fit: fit.cost).x
