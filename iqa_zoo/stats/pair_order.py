"""Pairs of images that people distinguish, and how far a model distinguishes and orders them as people do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.metrics import check_scores
from iqa_zoo.stats.ratings import Ratings

Array = NDArray[np.float64]

MAX_PAIRS = 2_000_000


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, by position, and whether people distinguish them.

    Attributes:
        first, second: images of each pair.
        distinguished: whether the two MOS differ significantly.
        better: whether the MOS of the first image is above that of the second.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distinguished: NDArray[np.bool_]
    better: NDArray[np.bool_]


@dataclass(frozen=True)
class PairAgreement:
    """How a model agrees with people on pairs of images; all but ``pairs`` lie in 0..1, higher is better.

    Attributes:
        pairs: pairs of images.
        distinguished: share of the pairs that people distinguish; of the data, not the model.
        ordered: of those, the share that the model orders as people do; equal scores count half.
        auc_different: area under the ROC curve of the absolute score difference, for pairs that people distinguish against
            those that they do not; 0.5 is chance. nan where people distinguish all pairs.
        auc_better: area under the ROC curve of the score difference, for the better against the worse image first.
    """

    pairs: int
    distinguished: float
    ordered: float
    auc_different: float
    auc_better: float


def distinguish_pairs(
    ratings: Ratings, *, confidence: float = 0.95, max_pairs: int = MAX_PAIRS, seed: int = 0
) -> Pairs:
    """Find the pairs of images whose MOS differ significantly, by Welch's t test on each pair (two-sided).

    Args:
        ratings: MOS, deviations and counts.
        confidence: of the test.
        max_pairs: where there are more pairs, this many are drawn.
        seed: of the draw.

    >>> pairs = distinguish_pairs(Ratings([1.0, 1.2, 5.0], [1.0, 1.0, 1.0], 16))
    >>> list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distinguished.tolist()))
    [(0, 1, False), (0, 2, True), (1, 2, True)]
    """
    first, second = _list_pairs(len(ratings.mos), max_pairs, seed)
    variances = ratings.errors**2
    a, b, rest = variances[first], variances[second], ratings.counts - 1
    squared, uncertainty = (a + b) ** 2, a**2 / rest[first] + b**2 / rest[second]
    fewest = np.minimum(rest[first], rest[second])
    freedom = np.divide(squared, uncertainty, out=fewest.astype(np.float64), where=uncertainty > 0)
    difference = ratings.mos[first] - ratings.mos[second]
    critical = stats.t.ppf((1 + confidence) / 2, freedom)
    return Pairs(first, second, np.abs(difference) > critical * np.sqrt(a + b), difference > 0)


def measure_pair_agreement(scores: ArrayLike, ratings: Ratings, pairs: Pairs | None = None) -> PairAgreement:
    """Measure how a model distinguishes and orders pairs of images, against what people do.

    The areas are those of Krasula et al. (On the accuracy of objective image and video quality models, QoMEX 2016). They
    need no mapping of scores to the scale of the MOS, and do not count the order of pairs that people do not distinguish.

    Args:
        scores: of the model, in the direction of the MOS.
        ratings: of the same images.
        pairs: from :func:`distinguish_pairs`, to use them for several models.

    Raises:
        InputError: scores that do not fit, scores that are all equal, or no pair that people distinguish.

    >>> ratings = Ratings([1.0, 1.2, 5.0, 4.0], [1.0, 1.0, 1.0, 1.0], 16)
    >>> measure_pair_agreement([0.1, 0.3, 0.7, 0.8], ratings)
    PairAgreement(pairs=6, distinguished=0.833..., ordered=0.8, auc_different=0.8, auc_better=0.96)
    """
    predicted, _ = check_scores(scores, ratings.mos)
    if not np.ptp(predicted) > 0:
        raise InputError("all scores are equal, so the model distinguishes no pair")
    found = distinguish_pairs(ratings) if pairs is None else pairs
    if not found.distinguished.any():
        raise InputError("people distinguish no pair of these images: no two MOS differ significantly")
    difference = predicted[found.first] - predicted[found.second]
    in_order = np.where(found.better, difference, -difference)[found.distinguished]
    absolute = np.abs(difference)
    return PairAgreement(
        pairs=len(difference),
        distinguished=float(found.distinguished.mean()),
        ordered=_share_positive(in_order),
        auc_different=_measure_auc(absolute[found.distinguished], absolute[~found.distinguished]),
        # Each pair counts in both directions, so that the area does not depend on which image is first.
        auc_better=_measure_auc(in_order, -in_order),
    )


def compute_order_within_groups(scores: ArrayLike, mos: ArrayLike, groups: Sequence[str]) -> float:
    """Share of pairs of images of one group (content, prompt) that a model orders as the labels do, 0..1.

    Pairs of equal labels are left out, and equal scores count half: a share of 0.5 is chance. Each pair counts the same, so
    large groups count more.

    Args:
        scores: in the direction of the labels.
        mos: labels.
        groups: the group of each image.

    Raises:
        InputError: scores that do not fit, or no group with two images of different labels.

    >>> compute_order_within_groups([1, 2, 3, 9, 8], [1, 3, 2, 5, 7], ["a", "a", "a", "b", "b"])
    0.5
    """
    predicted, labels = check_scores(scores, mos)
    names = np.array([str(group) for group in groups])
    if len(names) != len(labels):
        raise InputError(f"{len(labels)} images and {len(names)} groups; give one to each image")
    numbers = np.unique(names, return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")  # groups one after the other
    ordered, count = 0.0, 0
    for step in range(1, int(np.bincount(numbers, minlength=1).max(initial=0))):  # pairs of images this far apart
        first, second = order[:-step], order[step:]
        sign = np.sign(labels[first] - labels[second]) * (numbers[first] == numbers[second])
        in_order = (sign * (predicted[first] - predicted[second]))[sign != 0]
        ordered += float((in_order > 0).sum()) + float((in_order == 0).sum()) / 2
        count += len(in_order)
    if not count:
        raise InputError("no group has two images of different labels, so there is no pair to order")
    return ordered / count


def _list_pairs(count: int, max_pairs: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if count * (count - 1) // 2 <= max_pairs:
        first, second = np.triu_indices(count, 1)
        return first, second
    rng = np.random.default_rng(seed)
    first = rng.integers(0, count, max_pairs)
    return first, (first + rng.integers(1, count, max_pairs)) % count


def _share_positive(values: Array) -> float:
    return float((values > 0).mean() + (values == 0).mean() / 2)


def _measure_auc(positive: Array, negative: Array) -> float:
    """Area under the ROC curve: the share of (positive, negative) in which the positive is larger; equal ones count half."""
    if not len(positive) or not len(negative):
        return float("nan")
    positive, negative = np.sort(positive), np.sort(negative)
    below, up_to = (np.searchsorted(negative, positive, side).sum() for side in ("left", "right"))
    return float((below + up_to) / (2 * len(positive) * len(negative)))
