"""Bootstrap over test images, or over whole contents: how much a result depends on the choice of test images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqa_zoo.errors import InputError
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.metrics import Metric, srocc

Images = NDArray[np.int64]  # positions of images
FEWEST = 3  # images that have a correlation


def bootstrap_difference(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    metric: Metric = srocc,
    count: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Difference of two models on the images of one split, by a paired bootstrap (percentile interval).

    Both models are scored on the same resampled images. The interval covers the choice of test images, not another
    training. ``p`` is twice the share of resamples on the other side of 0.

    Args:
        scores_a, scores_b: predictions for the same images.
        mos: their labels.
        groups: the content of each image. Whole contents are then resampled, as images of one content are not
            independent.
        metric: SROCC by default; higher is better.
        count: resamples. Those without a metric (all labels equal) are left out.
        seed: of the resampling.
        confidence: level of the interval.

    Raises:
        InputError: input that the metric refuses, lengths that differ, or fewer than two contents.
    """
    a, b, labels = (np.asarray(values, dtype=np.float64) for values in (scores_a, scores_b, mos))

    def measure(images: Images | slice) -> float:
        return metric(a[images], labels[images]) - metric(b[images], labels[images])

    observed = measure(slice(None))
    differences = _resample(measure, group_members(groups, len(labels)), count, seed)
    # Counting the observed sample keeps p above 0; a difference of exactly 0 counts on both sides.
    below, above = (differences <= 0).sum() + 1, (differences >= 0).sum() + 1
    p = min(1.0, 2 * min(below, above) / (len(differences) + 1))
    return _estimate_by_percentiles(observed, differences, float(p), len(labels), confidence)


def bootstrap_interval(
    scores: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    metric: Metric = srocc,
    count: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """A metric of one model with a percentile interval over resampled images, or over whole contents.

    The interval covers the choice of test images, not another training. To compare two models use
    :func:`bootstrap_difference`: their separate intervals can overlap where the interval of the difference excludes 0.

    Args:
        scores: predictions.
        mos, groups, metric, count, seed, confidence: as in :func:`bootstrap_difference`.

    Returns:
        The estimate without ``p``; ``count`` is the number of images, or of contents where those were resampled.

    Raises:
        InputError: input that the metric refuses, lengths that differ, or fewer than two contents.

    >>> interval = bootstrap_interval([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 4, 3, 5, 6, 8, 7])
    >>> round(interval.mean, 3), interval.low < interval.mean <= interval.high, interval.count
    (0.952, True, 8)
    """
    predicted, labels = np.asarray(scores, dtype=np.float64), np.asarray(mos, dtype=np.float64)
    observed = metric(predicted, labels)
    members = group_members(groups, len(labels))
    values = _resample(lambda images: metric(predicted[images], labels[images]), members, count, seed)
    return _estimate_by_percentiles(observed, values, math.nan, len(members), confidence)


def group_members(groups: Sequence[str] | None, count: int) -> list[Images]:
    """The images of each content, by position; each image alone where no contents are given.

    Raises:
        InputError: lengths that differ, or fewer than two contents.

    >>> [images.tolist() for images in group_members(["a", "b", "a"], 3)]
    [[0, 2], [1]]
    """
    if groups is None:
        return [np.array([index]) for index in range(count)]
    if len(groups) != count:
        raise InputError(f"{count} images and {len(groups)} contents; give one to each image")
    names, group_of = np.unique(np.array([str(group) for group in groups]), return_inverse=True)
    if len(names) < 2:
        raise InputError("all images are of one content; there is nothing to resample")
    return [np.flatnonzero(group_of == group) for group in range(len(names))]


def _resample(
    measure: Callable[[Images], float], members: Sequence[Images], count: int, seed: int
) -> NDArray[np.float64]:
    """A statistic of each resample where it is defined; resamples of fewer images than a correlation needs are left out."""
    rng = np.random.default_rng(seed)
    singles = (
        np.concatenate(members) if max(map(len, members)) == 1 else None
    )  # the fast path: contents of one image each
    values = []
    for _ in range(count):
        drawn = rng.integers(0, len(members), len(members))
        images = np.concatenate([members[group] for group in drawn]) if singles is None else singles[drawn]
        if len(images) >= FEWEST:
            values.append(measure(images))
    found = np.array(values, dtype=np.float64)
    return found[np.isfinite(found)]


def _estimate_by_percentiles(
    observed: float, values: NDArray[np.float64], p: float, count: int, confidence: float
) -> Estimate:
    if not np.isfinite(observed) or not len(values):
        return Estimate(math.nan, math.nan, math.nan, math.nan, count, confidence, method="bootstrap")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Estimate(float(observed), low, high, p, count, confidence, float(values.std()), "bootstrap")
