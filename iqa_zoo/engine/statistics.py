"""Is the difference real? Spread over splits, paired differences, and what a dataset can tell apart at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from iqa_zoo.engine.metrics import srocc
from iqa_zoo.errors import InputError


def is_defined(value: float | None) -> bool:
    """Whether a metric has a value. SROCC of scores that are all equal has none: nan in memory, null in JSON.

    >>> is_defined(0.0), is_defined(float("nan")), is_defined(None)
    (True, False, False)
    """
    return value is not None and math.isfinite(value)


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a metric over the splits on which it is defined; nan where it is defined on none.

    Attributes:
        median, q1, q3: of the defined values.
        undefined: on how many splits the metric is not defined.
    """

    median: float
    q1: float
    q3: float
    undefined: int = 0

    @property
    def iqr(self) -> float:
        """Interquartile range, q3 - q1."""
        return self.q3 - self.q1


def median_iqr(values_S: Sequence[float | None] | NDArray[np.float64]) -> Spread:
    """Median and quartiles over splits (linear interpolation) of the values that are defined.

    Raises:
        InputError: no value at all.

    >>> median_iqr([0.5, 1.0, 0.75])
    Spread(median=0.75, q1=0.625, q3=0.875, undefined=0)
    >>> median_iqr([0.5, float("nan"), None]).median
    0.5
    """
    values = np.asarray(values_S, dtype=np.float64)  # None becomes nan
    if values.ndim != 1 or not len(values):
        raise InputError(f"values of shape {values.shape}; give one number a split")
    defined = values[np.isfinite(values)]
    q1, median, q3 = (
        (float(value) for value in np.quantile(defined, [0.25, 0.5, 0.75])) if len(defined) else (np.nan,) * 3
    )
    return Spread(median, q1, q3, len(values) - len(defined))


@dataclass(frozen=True)
class Difference:
    """A difference of two models in one metric, a minus b, with its interval.

    Attributes:
        mean: the difference (its mean, where there are several splits).
        low, high: confidence interval.
        p: two-sided p value, of the test that the function which made this names.
        count: how many splits, or images on one split, it rests on.
        confidence: level of the interval.
    """

    mean: float
    low: float
    high: float
    p: float
    count: int
    confidence: float = 0.95

    @property
    def is_defined(self) -> bool:
        """Whether there is a difference with an interval: a model that gives one score for all images has none."""
        return all(map(math.isfinite, (self.mean, self.low, self.high)))

    @property
    def is_tie(self) -> bool:
        """Whether the interval contains 0; an undefined difference is no tie."""
        return self.low <= 0 <= self.high

    def verdict(self, name_a: str, name_b: str) -> str:
        """One phrase for a table; a tie is called a tie. For metrics where higher is better.

        >>> Difference(0.021, 0.004, 0.038, p=0.02, count=10).verdict("gcn", "attention")
        'gcn ahead by 0.021 [0.004, 0.038]'
        >>> Difference(0.006, -0.010, 0.022, p=0.4, count=10).verdict("gcn", "attention")
        'a tie: 0.006 [-0.010, 0.022]'
        """
        if not self.is_defined:
            return "undefined"
        if self.is_tie:
            return f"a tie: {self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"
        ahead, sign = (name_a, 1) if self.mean > 0 else (name_b, -1)
        low, high = sorted((sign * self.low, sign * self.high))
        return f"{ahead} ahead by {sign * self.mean:.3f} [{low:.3f}, {high:.3f}]"


def paired_difference(
    a_S: ArrayLike, b_S: ArrayLike, *, test_train_ratio: float = 0.25, confidence: float = 0.95
) -> Difference:
    """Mean difference of two models over the same splits, with an interval that knows the splits overlap.

    Random splits of one dataset share most of their images, so their results are correlated and the ordinary
    t interval is too narrow. Nadeau and Bengio (Machine Learning 52, 2003) correct the variance of the mean
    from s^2 / S to s^2 (1 / S + test / train); the interval is Student's t with S - 1 degrees of freedom. It
    holds its level for the choice of test images, and roughly where the choice of training images matters too.
    ``p`` is Wilcoxon's signed-rank test, which lacks that correction and so errs towards small values: the
    interval decides, p is for comparison with other papers.

    Args:
        a_S, b_S: a metric of both models on each split, in the same order.
        test_train_ratio: images (or contents) that test over those that train: 0.25 at 8:2.
        confidence: level of the interval.

    Raises:
        InputError: fewer than two splits, lengths that differ, or a value that is not finite.

    >>> difference = paired_difference([0.83, 0.85, 0.84], [0.81, 0.84, 0.80])
    >>> round(difference.mean, 4), round(difference.low, 4), round(difference.high, 4), difference.is_tie
    (0.0233, -0.0269, 0.0735, True)
    """
    a, b = _paired(a_S, b_S, "split")
    if len(a) < 2:
        raise InputError("one split has no spread; give at least two, or use bootstrap_difference")
    if not test_train_ratio >= 0:
        raise InputError(f"test_train_ratio is {test_train_ratio}; give images that test over images that train")
    # Differences below the float rounding of the two metrics are none.
    difference = np.round(a - b, 12)
    mean = float(difference.mean())
    error = math.sqrt((1 / len(a) + test_train_ratio) * float(difference.var(ddof=1)))
    half = float(stats.t.ppf((1 + confidence) / 2, len(a) - 1)) * error
    p = float(stats.wilcoxon(difference, zero_method="pratt").pvalue) if difference.any() else 1.0
    return Difference(mean, mean - half, mean + half, p, len(a), confidence)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for several comparisons (Holm, 1979); reject those still below the level.

    A comparison without a p value (nan: it is undefined) is none of the several and stays nan.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
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


def bootstrap_difference(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    metric: Callable[[ArrayLike, ArrayLike], float] = srocc,
    count: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Difference:
    """Difference of two models on the images of one split, by a paired bootstrap (percentile interval).

    Both models are scored on the same resampled images. It tells how much the choice of test images matters,
    not how much training would. ``p`` is the share of resamples on the other side of 0, doubled.

    Args:
        scores_a, scores_b: predictions for the same images.
        mos: their labels.
        groups: the content of each image; whole contents are resampled then, as images of one content are
            not independent.
        metric: SROCC by default; higher is better.
        count: resamples. Those without a metric (all labels equal) are left out.
        seed: of the resampling.
        confidence: level of the interval.

    Raises:
        InputError: lengths that differ, values that are not finite, or fewer than two contents.
    """
    a, labels = _paired(scores_a, mos, "image")
    b, _ = _paired(scores_b, mos, "image")
    observed = metric(a, labels) - metric(b, labels)
    members = members_of(groups, len(labels))
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(count):
        drawn = rng.integers(0, len(members), len(members))
        chosen = np.concatenate([members[group] for group in drawn]) if groups is not None else drawn
        if len(chosen) > 2:  # contents of one image each, drawn twice, are too few for a correlation
            resampled.append(metric(a[chosen], labels[chosen]) - metric(b[chosen], labels[chosen]))
    differences = np.array(resampled)
    differences = differences[np.isfinite(differences)]
    if not np.isfinite(observed) or not len(differences):
        return Difference(float("nan"), float("nan"), float("nan"), float("nan"), len(labels), confidence)
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    # Counting the observed sample keeps p above 0; a difference of exactly 0 counts on both sides.
    below, above = (differences <= 0).sum() + 1, (differences >= 0).sum() + 1
    p = min(1.0, 2 * min(below, above) / (len(differences) + 1))
    return Difference(float(observed), float(low), float(high), float(p), len(labels), confidence)


def williams_test(r_a: float, r_b: float, r_ab: float, num_images: int) -> float:
    """Two-sided p value that two models correlate equally with the same labels.

    Williams' T2 for dependent correlations that share one variable, as Steiger (Psychological Bulletin 87,
    1980) recommends it. Exact for normal variables and Pearson's r; for SROCC an approximation.

    Args:
        r_a, r_b: correlation of each model with the labels.
        r_ab: correlation of the two models with each other.
        num_images: images they were measured on; at least 4.

    Raises:
        InputError: too few images, or correlations that cannot be those of three variables.

    >>> round(williams_test(0.4, 0.5, 0.1, 103), 3)
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


def srocc_difference_p(scores_a: ArrayLike, scores_b: ArrayLike, mos: ArrayLike) -> float:
    """Two-sided p value of Williams' test on the SROCCs of two models on one split; nan if either is nan.

    It takes images as independent; where several share a content, :func:`bootstrap_difference` with groups is
    the more careful one.
    """
    r_a, r_b, r_ab = srocc(scores_a, mos), srocc(scores_b, mos), srocc(scores_a, scores_b)
    if not np.isfinite([r_a, r_b, r_ab]).all():
        return float("nan")
    return williams_test(r_a, r_b, r_ab, len(np.asarray(mos)))


def detectable_gap(
    num_images: int,
    base_srocc: float,
    *,
    error_correlation: float = 0.5,
    power: float = 0.8,
    level: float = 0.05,
    repeats: int = 500,
    seed: int = 0,
) -> float:
    """Smallest SROCC gap that one split detects with the given power, by simulation; known before training.

    Labels and both models' scores are drawn as normal variables whose correlations give the weaker model
    ``base_srocc`` and the stronger that plus the gap; a gap is detected where Williams' test has p < ``level``.
    Images count as independent: where a test part holds few contents, the true gap is larger.

    Args:
        num_images: images in the test part; at least 4.
        base_srocc: SROCC of the weaker model, 0 to below 1.
        error_correlation: how alike the two models' errors are, 0..1; models on one backbone err alike.
        power: share of test parts on which the gap is detected.
        level: of the test, two-sided.
        repeats: simulated test parts a gap.
        seed: of the simulation.

    Returns:
        The gap in SROCC, to about 0.001; nan where even a perfect model could not be told from the base.
    """
    if num_images < 4:
        raise InputError(f"{num_images} test images; at least 4 are needed")
    for name, value in (("base_srocc", base_srocc), ("error_correlation", error_correlation), ("power", power)):
        if not 0 <= value < 1:
            raise InputError(f"{name} is {value}; give a number from 0 to below 1")
    # The same draws serve every gap, so that the power grows with the gap and bisection works.
    draws_RI3 = np.random.default_rng(seed).standard_normal((repeats, num_images, 3))

    def power_at(gap: float) -> float:
        return _share_detected(draws_RI3, base_srocc, base_srocc + gap, error_correlation, level)

    low, high = 0.0, 1 - base_srocc - 1e-6
    if power_at(high) < power:
        return float("nan")
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (low, middle) if power_at(middle) >= power else (middle, high)
    return high


def _share_detected(
    draws_RI3: NDArray[np.float64], srocc_a: float, srocc_b: float, error_correlation: float, level: float
) -> float:
    # Of normal variables, Pearson's r = 2 sin(pi / 6 * SROCC).
    r_a, r_b = (2 * math.sin(math.pi * value / 6) for value in (srocc_a, srocc_b))
    labels_RI, error_a_RI, other_RI = np.moveaxis(draws_RI3, 2, 0)
    error_b_RI = error_correlation * error_a_RI + math.sqrt(1 - error_correlation**2) * other_RI
    a_RI = r_a * labels_RI + math.sqrt(1 - r_a**2) * error_a_RI
    b_RI = r_b * labels_RI + math.sqrt(1 - r_b**2) * error_b_RI
    ranks = [stats.rankdata(values, axis=1) for values in (labels_RI, a_RI, b_RI)]
    unit = [(rank - rank.mean()) / rank[0].std() for rank in ranks]
    sroccs = [np.minimum((unit[first] * unit[second]).mean(axis=1), 1) for first, second in ((0, 1), (0, 2), (1, 2))]
    p = [williams_test(a, b, ab, draws_RI3.shape[1]) for a, b, ab in zip(*map(np.ndarray.tolist, sroccs), strict=True)]
    return float(np.mean(np.array(p) < level))


def members_of(groups: Sequence[str] | None, count: int) -> list[NDArray[np.int64]]:
    """The images of each content, by position; each image alone where no contents are given.

    Raises:
        InputError: lengths that differ, or fewer than two contents.
    """
    if groups is None:
        return [np.array([index]) for index in range(count)]
    if len(groups) != count:
        raise InputError(f"{count} images and {len(groups)} contents; give one to each image")
    names, group_of = np.unique(np.array([str(group) for group in groups]), return_inverse=True)
    if len(names) < 2:
        raise InputError("all images are of one content; there is nothing to resample")
    return [np.flatnonzero(group_of == group) for group in range(len(names))]


def _paired(a: ArrayLike, b: ArrayLike, what: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"values of shapes {first.shape} and {second.shape}; give one number to each {what}")
    bad = ~(np.isfinite(first) & np.isfinite(second))
    if bad.any():
        raise InputError(f"{what} {int(np.argmax(bad))} has a value that is not finite")
    return first, second
