"""How far a metric on one test part depends on which images are in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from iqa_zoo.engine.metrics import srocc
from iqa_zoo.engine.statistics import members_of


@dataclass(frozen=True)
class Interval:
    """A metric of one model with its interval.

    Attributes:
        value: the metric on the images as they are.
        low, high: confidence interval; nan where the metric is not defined.
        count: images, or contents where those were resampled, that it rests on.
        confidence: level of the interval.
    """

    value: float
    low: float
    high: float
    count: int
    confidence: float = 0.95


def bootstrap_interval(
    scores: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    metric: Callable[[ArrayLike, ArrayLike], float] = srocc,
    count: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """A metric with a percentile interval over resampled images, or over whole contents.

    It tells how much the choice of test images matters, not how much training would. Of two models compare the
    difference (:func:`iqa_zoo.engine.statistics.bootstrap_difference`): intervals of each alone overlap long after that
    one excludes 0.

    Args:
        scores: predictions.
        mos: the labels of the same images, in the same direction.
        groups: the content of each image; whole contents are resampled then, as images of one content are not
            independent.
        metric: SROCC by default.
        count: resamples. Those without a metric (all labels equal) are left out.
        seed: of the resampling.
        confidence: level of the interval.

    Raises:
        InputError: what the metric says of its input, lengths that differ, or fewer than two contents.

    >>> interval = bootstrap_interval([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 4, 3, 5, 6, 8, 7])
    >>> round(interval.value, 3), interval.low < interval.value <= interval.high, interval.count
    (0.952, True, 8)
    """
    value = metric(scores, mos)
    predicted, labels = np.asarray(scores, dtype=np.float64), np.asarray(mos, dtype=np.float64)
    members = members_of(groups, len(labels))
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(count):
        chosen = np.concatenate([members[group] for group in rng.integers(0, len(members), len(members))])
        resampled.append(metric(predicted[chosen], labels[chosen]) if len(chosen) > 2 else np.nan)
    defined = np.array(resampled)[np.isfinite(resampled)]
    if not np.isfinite(value) or not len(defined):
        return Interval(float("nan"), float("nan"), float("nan"), len(members), confidence)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(value), float(low), float(high), len(members), confidence)
