"""How a model agrees with the ratings behind the scores, on one test part, and the mean of such numbers over splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.metrics import check_scores, explain_undefined, fit_logistic4, logistic4, mae, plcc
from iqa_zoo.stats.pair_order import Pairs, compute_order_within_groups, distinguish_pairs, measure_pair_agreement
from iqa_zoo.stats.ratings import (
    Ratings,
    compute_ceiling,
    compute_outlier_ratio,
    compute_rmse_star,
    count_equal_raters,
)

STUDY_PAIRS = 100_000  # of more than 447 images, this many are drawn; shares are then within about .003
CEILING_REPEATS = 50  # simulated MOS of each test part


@dataclass(frozen=True)
class RaterAgreement:
    """How a model agrees with the ratings of some images; nan where a number is undefined or the ratings are not known.

    Attributes:
        ordered: share of the pairs which people distinguish that the model orders as they do; equal scores count half.
        auc_different, auc_better: areas of Krasula et al., see :class:`iqa_zoo.stats.pair_order.PairAgreement`.
        outlier_ratio, rmse_star: of ITU-T P.1401, in 0..1 and in units of the labels, lower is better.
        mae: mean absolute error, in units of the labels, lower is better.
        equal_raters: how many raters have a mean that correlates with the MOS as the model does; infinity at the ceiling.
        ordered_within_groups: share of the pairs of one group that the model orders as the labels do.
    """

    ordered: float = math.nan
    auc_different: float = math.nan
    auc_better: float = math.nan
    outlier_ratio: float = math.nan
    rmse_star: float = math.nan
    mae: float = math.nan
    equal_raters: float = math.nan
    ordered_within_groups: float = math.nan


@dataclass(frozen=True)
class RatingsSummary:
    """Statistics of the ratings of some images, the same for every model.

    Attributes:
        images: images of the test part.
        pairs: pairs of images that were compared, all of them or ``STUDY_PAIRS`` that are drawn with a seed.
        distinguished: share of the pairs that people distinguish, 0..1.
        ceiling_srocc, ceiling_plcc: what a model that knows the true quality reaches against the MOS, on average; nan where
            the ratings are all noise.
        reliability: share of the variance of the MOS that is not noise, 0..1.
    """

    images: int
    pairs: int
    distinguished: float
    ceiling_srocc: float
    ceiling_plcc: float
    reliability: float


def summarize_ratings(ratings: Ratings, *, seed: int = 0) -> tuple[RatingsSummary, Pairs]:
    """Summarize the ratings of a test part; return the pairs as well, to use them for several models.

    >>> found, pairs = summarize_ratings(Ratings([1.0, 1.2, 5.0, 4.0], [1.0, 1.0, 1.0, 1.0], 16))
    >>> found.pairs, round(found.distinguished, 3), round(found.reliability, 3)
    (6, 0.833, 0.984)
    """
    pairs = distinguish_pairs(ratings, max_pairs=STUDY_PAIRS, seed=seed)
    try:
        ceiling = compute_ceiling(ratings, repeats=CEILING_REPEATS, seed=seed)
        reached = (ceiling.srocc, ceiling.plcc)
    except InputError:
        reached = (math.nan, math.nan)
    share = float(pairs.distinguished.mean())
    return RatingsSummary(len(ratings.mos), len(pairs.first), share, *reached, ratings.reliability), pairs


def measure_rater_agreement(
    scores: ArrayLike,
    mos: ArrayLike,
    *,
    ratings: Ratings | None = None,
    pairs: Pairs | None = None,
    groups: Sequence[str] | None = None,
    fit: bool = False,
) -> RaterAgreement:
    """Measure how a model agrees with the ratings of some images, as far as they are known.

    Args:
        scores: of the model, in the direction of the labels, and on their scale unless ``fit``.
        mos: labels.
        ratings: of the same images; None where the deviation or the number of ratings is not known.
        pairs: those of ``ratings``, from :func:`summarize_ratings`.
        groups: group of each image (content, prompt); None where there are none.
        fit: map the scores to the scale of the labels by a fitted 4-parameter logistic before errors are computed, and
            before they are compared with the mean of raters.

    Raises:
        InputError: lengths that differ, values that are not finite, or fewer than three images.

    >>> ratings = Ratings([1.0, 1.2, 5.0, 4.0], [1.0, 1.0, 1.0, 1.0], 16)
    >>> found = measure_rater_agreement([1.0, 1.5, 3.5, 4.0], ratings.mos, ratings=ratings, groups=["a", "a", "b", "b"])
    >>> found.ordered, found.ordered_within_groups, found.outlier_ratio, round(found.mae, 2)
    (0.8, 0.5, 0.25, 0.45)
    """
    predicted, labels = check_scores(scores, mos)
    constant = explain_undefined(predicted, labels) is not None
    rises = not constant and plcc(predicted, labels) > 0
    mapped = predicted
    if fit and not constant:  # the best rising curve of scores that fall with the labels is their mean
        mapped = (
            logistic4(predicted, fit_logistic4(predicted, labels)) if rises else np.full_like(labels, labels.mean())
        )
    within = _compute(lambda: compute_order_within_groups(predicted, labels, groups or ()))
    if fit and constant:
        return RaterAgreement(ordered_within_groups=within)
    error = mae(mapped, labels)
    if ratings is None:
        return RaterAgreement(mae=error, ordered_within_groups=within)
    freedom = 4 if fit else 1
    try:
        order = measure_pair_agreement(predicted, ratings, pairs)
        areas = (order.ordered, order.auc_different, order.auc_better)
    except InputError:  # equal scores, or no pair that people distinguish
        areas = (math.nan, math.nan, math.nan)
    return RaterAgreement(
        *areas,
        outlier_ratio=compute_outlier_ratio(mapped, ratings),
        rmse_star=_compute(lambda: compute_rmse_star(mapped, ratings, freedom=freedom)),
        mae=error,
        equal_raters=_compute(lambda: count_equal_raters(mapped, ratings)) if rises or constant else 0.0,
        ordered_within_groups=within,
    )


def average_over_splits(
    values_S: Sequence[float], test_train_ratio: float, *, limits: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """Average a number over random splits that share images, with a 95 % interval.

    The interval is Student's t with the variance of Nadeau and Bengio (Machine Learning 52, 2003), s^2 (1 / S + test /
    train), cut at ``limits``. Values that are not finite are left out; without two there is no interval.

    >>> found = average_over_splits([0.8, 0.82, 0.84], 0.25)
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.count
    (0.82, 0.754, 0.886, 3)
    """
    values = np.asarray(values_S, dtype=np.float64)
    values = values[np.isfinite(values)]
    count = len(values)
    if count < 2:
        return Estimate(float(values[0]) if count else math.nan, math.nan, math.nan, count=count)
    mean, se = float(values.mean()), math.sqrt((1 / count + test_train_ratio) * float(values.var(ddof=1)))
    half = float(stats.t.ppf(0.975, count - 1)) * se
    low, high = max(mean - half, limits[0]), min(mean + half, limits[1])
    return Estimate(mean, low, high, count=count, se=se, method="corrected t")


def find_middle(values_S: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile, each one of the values, so that some may be infinite; nan is left out.

    >>> find_middle([1.0, 2.0, math.inf]), find_middle([math.nan])
    ((1.0, 2.0, inf), (nan, nan, nan))
    """
    values = np.asarray(values_S, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan, math.nan
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf").tolist()
    return q1, median, q3


def _compute(number: Callable[[], float]) -> float:
    try:
        return number()
    except InputError:
        return math.nan
