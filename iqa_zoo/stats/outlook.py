"""The standard error of a mean difference over any number of splits, and what would decide an undecided comparison."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from scipy import stats

from iqa_zoo.stats.estimate import FEWEST_SPLITS, Estimate
from iqa_zoo.stats.sampling import SamplingError

MOST_SPLITS = 100  # more are not proposed


@dataclass(frozen=True)
class SplitSpread:
    """What the splits of a comparison show of its variance.

    Attributes:
        variance: s^2 of the differences between splits; nan for a single split.
        count: splits.
        test_train_ratio: of the splits.
        sampling: error from the choice of test images; None where it is unknown.
    """

    variance: float
    count: int
    test_train_ratio: float
    sampling: SamplingError | None

    def compute_se(self, count: int) -> tuple[float, float]:
        """Standard error of the mean over ``count`` such splits, and its degrees of freedom.

        >>> se, freedom = SplitSpread(0.0002, 5, 0.25, None).compute_se(5)
        >>> round(se**2, 6), freedom
        (9e-05, 4.0)
        >>> se, freedom = SplitSpread(0.0002, 5, 0.25, SamplingError(0.02, 0.01)).compute_se(5)
        >>> round(se**2, 6), round(freedom)
        (0.000445, 391)
        """
        share = 1 / count + self.test_train_ratio
        if self.sampling is None:
            return math.sqrt(share * self.variance), float(count - 1)
        now = self.sampling.se**2
        # A spread that is not known is that of a metric which is linear in the images.
        known = not math.isnan(self.sampling.spread)
        explained = self.sampling.spread**2 if known else now / (1 / self.count + self.test_train_ratio)
        # What the splits have in common, as they test some of the same images, does not shrink with their number.
        in_common = max(now - explained / self.count, 0.0)
        of_images = now if count == self.count else in_common + explained / count
        if count < 2 or math.isnan(self.variance):
            return math.sqrt(of_images), self.sampling.freedom
        excess = share * max(self.variance - explained, 0.0)
        variance = of_images + excess
        uncertainty = excess**2 / (count - 1) + of_images**2 / self.sampling.freedom
        return math.sqrt(variance), variance**2 / uncertainty if uncertainty else math.inf

    def foresee_se(self, count: int) -> tuple[float, float]:
        """Standard error that ``count`` such splits are expected to have, and its degrees of freedom.

        That of :meth:`compute_se`, and never below the corrected one of Nadeau and Bengio. What the splits have in common is
        estimated from few of them and can come out as 0; more splits would then seem to decide anything.

        >>> seen = SplitSpread(0.0002, 5, 0.25, SamplingError(0.005, 0.012))
        >>> [round(find(100)[0] ** 2, 7) for find in (seen.compute_se, seen.foresee_se)]  # the second: 0.26 * 0.0002
        [1.6e-05, 5.2e-05]
        """
        se, freedom = self.compute_se(count)
        corrected = (1 / count + self.test_train_ratio) * self.variance
        return (math.sqrt(corrected), float(count - 1)) if corrected > se**2 else (se, freedom)


def find_needed(found: Estimate, seen: SplitSpread) -> str:
    """Find how many splits or rated images would decide an undecided comparison; empty where nothing is undecided.

    Where up to ``MOST_SPLITS`` splits do not decide, only images are named. It is computed for the mean and the spread
    that were seen, with a standard error never below that of Nadeau and Bengio; both can turn out otherwise.
    """
    if found.count < FEWEST_SPLITS:
        return f"at least {FEWEST_SPLITS} splits"
    if found.verdict != "undecided" or math.isnan(found.se):
        return ""
    counts = range(found.count + 1, MOST_SPLITS + 1)
    first_enough = bisect_left(counts, True, key=lambda count: _is_enough(found, seen, count))
    more = counts[first_enough] if first_enough < len(counts) else None
    se, freedom = seen.foresee_se(found.count)
    two_sided, one_sided = _find_critical(found, freedom)
    needed = max(abs(found.mean) / two_sided, (found.margin - abs(found.mean)) / one_sided)
    factor = (se / needed) ** 2
    images = f"{math.ceil(10 * factor) / 10:g} times the rated images"
    if seen.sampling is not None and seen.sampling.images:
        images += f" ({math.ceil(factor * seen.sampling.images):,} to test)"
    return f"about {more} splits or {images}" if more else f"about {images}"


def _is_enough(found: Estimate, seen: SplitSpread, count: int) -> bool:
    se, freedom = seen.foresee_se(count)
    two_sided, one_sided = _find_critical(found, freedom)
    return abs(found.mean) > two_sided * se or abs(found.mean) + one_sided * se < found.margin


def _find_critical(found: Estimate, freedom: float) -> tuple[float, float]:
    level = (1 - found.confidence) / found.pairs
    return float(stats.t.isf(level / 2, freedom)), float(stats.t.isf(level, freedom))
