"""Two models on the same splits or images: the paired difference with its interval, and p values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.metrics import check_scores
from iqa_zoo.stats.outlook import SplitSpread, find_needed
from iqa_zoo.stats.sampling import SamplingError

Array = NDArray[np.float64]

LIMIT = 2.0  # of a difference of two correlations
ROUNDING = 1e-9  # a standard error below it is that of rounded numbers


def paired(
    a_S: ArrayLike,
    b_S: ArrayLike,
    *,
    test_train_ratio: float,
    margin: float = 0.01,
    sampling_se: SamplingError | float | None = None,
    pairs: int = 1,
    confidence: float = 0.95,
) -> Estimate:
    """Compare two models over the same splits: the mean difference, its interval and one of four verdicts.

    The first model is ``ahead``, ``behind`` or ``equivalent``, or the comparison is ``undecided``; see
    :attr:`Estimate.verdict` for the rule. Intervals and probabilities are those of Student's t around the mean. With
    ``sampling_se``, the variance of the mean is that of the choice of test images, and in addition
    (1 / S + test / train) times what s^2, the variance between splits, has above the spread that the choice of images
    explains. Its degrees of freedom are Satterthwaite's. Without, it is the corrected s^2 (1 / S + test / train) of Nadeau
    and Bengio (Machine Learning 52, 2003) with S - 1 degrees of freedom. The probabilities are then those of Corani and
    Benavoli (Machine Learning 100, 2015), as in baycomp. Training parts overlap, so an error that returns in every
    training is no part of the spread between splits: the interval covers other test images of the data set, and other
    trainings only as far as the trainings of the splits differ.

    Args:
        a_S, b_S: a correlation with the labels, as SROCC, of both models on each split, in the same order.
        test_train_ratio: test images (or contents) over training images: 0.25 at 8:2.
        margin: differences below it count as equivalent; above 0, at most 1.
        sampling_se: from :func:`iqa_zoo.stats.sampling.compute_sampling_se`, or a standard error of the mean.
        pairs: comparisons made in the study. Each then has an error rate of (1 - confidence) / pairs (Bonferroni), and
            the interval holds for all pairs at once.
        confidence: level of the interval.

    Returns:
        The estimate, within [-2, 2], with ``p`` of the t test, adjusted for the pairs. Fewer than five splits are
        undecided. A single one has the interval of ``sampling_se``, or [-2, 2] without.

    Raises:
        InputError: lengths that differ, no split, a value that is not a correlation, or an argument out of range.

    >>> found = paired([0.83, 0.85, 0.84, 0.86, 0.84], [0.80, 0.81, 0.82, 0.82, 0.80], test_train_ratio=0.25)
    >>> found.verdict, round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    ('ahead', 0.034, 0.017, 0.051)
    >>> paired([0.83, 0.85], [0.80, 0.81], test_train_ratio=0.25).needed
    'at least 5 splits'
    """
    a, b = _check_pairs(a_S, b_S, test_train_ratio)
    for name, values in (("first", a), ("second", b)):
        if (outside := np.abs(values) > 1 + 1e-9).any():
            first = int(np.argmax(outside))
            raise InputError(f"split {first}, {name} model: {values[first]} is no correlation; give values in -1..1")
    if not 0 < margin <= 1:
        raise InputError(f"margin is {margin}; give a difference above 0, at most 1, such as 0.01")
    if pairs < 1 or not 0 < confidence < 1:
        raise InputError(f"pairs is {pairs} and confidence {confidence}; give 1 or more, and a level between 0 and 1")
    if sampling_se is None or isinstance(sampling_se, SamplingError):
        sampling = sampling_se
    else:
        sampling = SamplingError(float(sampling_se))

    difference = np.round(a - b, 12)
    mean, count = round(float(difference.mean()), 12), len(a)
    seen = SplitSpread(float(difference.var(ddof=1)) if count > 1 else math.nan, count, test_train_ratio, sampling)
    se, freedom = seen.compute_se(count)
    if se < ROUNDING:
        se = 0.0
    level = (1 - confidence) / pairs
    # Equal differences other than 0 have no spread to estimate the error from.
    unknown = not math.isfinite(se) or (se == 0 and mean != 0)
    if unknown:
        low, high, p, p_ahead, p_behind = -LIMIT, LIMIT, math.nan, math.nan, math.nan
    elif se == 0:
        low, high, p, p_ahead, p_behind = mean, mean, 1.0, 0.0, 0.0
    else:
        half = float(stats.t.isf(level / 2, freedom)) * se
        low, high = max(mean - half, -LIMIT), min(mean + half, LIMIT)
        p = min(1.0, 2 * float(stats.t.sf(abs(mean) / se, freedom)) * pairs)
        p_ahead, p_behind = (float(stats.t.sf((margin - sign * mean) / se, freedom)) for sign in (1, -1))
    found = Estimate(
        mean=mean,
        low=low,
        high=high,
        p=p,
        count=count,
        confidence=confidence,
        se=math.nan if unknown else se,
        method="corrected t" if sampling is None else "corrected t + jackknife",
        margin=margin,
        p_ahead=p_ahead,
        p_within=max(0.0, 1 - p_ahead - p_behind),
        p_behind=p_behind,
        pairs=pairs,
    )
    return replace(found, needed=find_needed(found, seen))


def _check_pairs(a_S: ArrayLike, b_S: ArrayLike, test_train_ratio: float) -> tuple[Array, Array]:
    a, b = np.asarray(a_S, dtype=np.float64), np.asarray(b_S, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise InputError(f"values of shapes {a.shape} and {b.shape}; give one number to each split")
    if (bad := ~(np.isfinite(a) & np.isfinite(b))).any():
        raise InputError(
            f"split {int(np.argmax(bad))} has a value that is not finite; SROCC is undefined where a model gives one score "
            "to all images: leave the split out for both models"
        )
    if not len(a):
        raise InputError("no split; give at least one")
    if not 0 <= test_train_ratio < math.inf:
        raise InputError(f"test_train_ratio is {test_train_ratio}; give test images over training images")
    return a, b


def estimate_by_t(mean: float, se: float, p: float, count: int, confidence: float, method: str) -> Estimate:
    """An estimate with the interval of Student's t with ``count - 1`` degrees of freedom."""
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * se
    return Estimate(mean, mean - half, mean + half, p, count, confidence, se, method)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for several comparisons (Holm, 1979); reject those still below the level.

    A comparison without a p value (nan: it is undefined) does not count as one of the several and stays nan.

    >>> [round(p, 3) for p in adjust_holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(given))
    p = given[known]
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p values {list(p_values)} must lie in 0..1")
    order = np.argsort(p, kind="stable")
    adjusted = np.full_like(given, np.nan)
    adjusted[known[order]] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()


def compute_williams_p(r_a: float, r_b: float, r_ab: float, num_images: int) -> float:
    """Two-sided p value of Williams' test that two models correlate equally with the same labels.

    Williams' T2 for dependent correlations that share one variable, as Steiger (Psychological Bulletin 87,
    1980) recommends it. Exact for normal variables and Pearson's r; for SROCC an approximation.

    Args:
        r_a, r_b: correlation of each model with the labels.
        r_ab: correlation of the two models with each other.
        num_images: images they were measured on; at least 4.

    Raises:
        InputError: too few images, or correlations that cannot be those of three variables.

    >>> round(compute_williams_p(0.4, 0.5, 0.1, 103), 3)
    0.375
    """
    if num_images < 4:
        raise InputError(f"{num_images} images; Williams' test needs at least 4")
    determinant = 1 - r_a**2 - r_b**2 - r_ab**2 + 2 * r_a * r_b * r_ab
    if not (max(abs(r_a), abs(r_b), abs(r_ab)) <= 1 and determinant >= -1e-9):
        raise InputError(f"no three variables have the correlations {r_a}, {r_b} and {r_ab}")
    if r_a == r_b:
        return 1.0
    n = num_images
    mean = (r_a + r_b) / 2
    scale = 2 * (n - 1) / (n - 3) * max(determinant, 0.0) + mean**2 * (1 - r_ab) ** 3
    if scale == 0:
        return 0.0
    t = (r_a - r_b) * math.sqrt((n - 1) * (1 + r_ab) / scale)
    return float(2 * stats.t.sf(abs(t), n - 3))


@dataclass(frozen=True)
class PitmanMorgan:
    """Pitman-Morgan's test that the residuals of two models have the same variance.

    Attributes:
        variance_a, variance_b: of the residuals, in squared units of the labels.
        t: below 0 where the first model has the smaller variance.
        freedom: of ``t``.
        p: two-sided.
    """

    variance_a: float
    variance_b: float
    t: float
    freedom: int
    p: float


def pitman_morgan(scores_a: ArrayLike, scores_b: ArrayLike, labels: ArrayLike) -> PitmanMorgan:
    """Test whether two models, on the same images, have residuals of the same variance.

    Residuals of the same images are correlated, so an F test is not valid. The test is of the correlation between their sum
    and their difference (Pitman and Morgan, Biometrika 31, 1939). It assumes normal residuals, and ignores a constant
    offset of the scores, which RMSE counts.

    Args:
        scores_a, scores_b: on the scale of the labels.
        labels: of the same images.

    Raises:
        InputError: lengths that differ, values that are not finite, or fewer than three images.

    >>> found = pitman_morgan([1.1, 2.0, 2.9, 4.1], [1.5, 1.6, 3.9, 3.6], [1, 2, 3, 4])
    >>> round(found.t, 2), found.freedom, round(found.p, 3)
    (-5.49, 2, 0.032)
    """
    (a, y), (b, _) = (check_scores(scores, labels) for scores in (scores_a, scores_b))
    a, b = a - y, b - y
    freedom = len(y) - 2
    (of_a, common), (_, of_b) = np.cov(a, b).tolist()
    # The correlation r of sum and difference has r / sqrt(1 - r^2) = gap / root.
    gap, root = of_a - of_b, 2 * math.sqrt(max(of_a * of_b - common**2, 0.0))
    if abs(gap) <= 1e-12 * (
        of_a + of_b
    ):  # rounding, also where the residuals are the same or the opposite of each other
        t = 0.0
    else:
        t = math.sqrt(freedom) * gap / root if root > 0 else math.copysign(math.inf, gap)
    return PitmanMorgan(of_a, of_b, t, freedom, float(2 * stats.t.sf(abs(t), freedom)))
