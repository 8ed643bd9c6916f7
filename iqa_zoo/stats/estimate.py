"""An estimate with its confidence interval: the one form in which a mean, a metric or a difference is reported."""

from __future__ import annotations

import math
from dataclasses import dataclass

FEWEST_SPLITS = 5  # below, the spread over splits is too uncertain for a verdict
VERDICTS = ("ahead", "behind", "equivalent", "undecided")


@dataclass(frozen=True)
class Estimate:
    """A metric of one model, or a difference of two models (first minus second), with its confidence interval.

    Attributes:
        mean: the estimate.
        low, high: confidence interval; where ``pairs`` is above 1, it holds for all pairs at once.
        p: two-sided p value of the test that the function which made the estimate names; nan where there is none.
        count: splits, images or contents that the estimate rests on.
        confidence: level of the interval.
        se: standard error of the mean; nan where the method gives none.
        method: how the interval was made: ``corrected t``, ``bootstrap``, or ``corrected t + jackknife``.
        margin: differences below it count as equivalent; nan where the method knows no margin.
        p_ahead, p_within, p_behind: probability that the difference is above, within and below the margin, by the t
            distribution around the mean; not adjusted for the number of pairs.
        pairs: comparisons that the verdict is adjusted for.
        needed: splits or rated images that would decide where the verdict is undecided; empty where it is not.
    """

    mean: float
    low: float
    high: float
    p: float = math.nan
    count: int = 0
    confidence: float = 0.95
    se: float = math.nan
    method: str = ""
    margin: float = math.nan
    p_ahead: float = math.nan
    p_within: float = math.nan
    p_behind: float = math.nan
    pairs: int = 1
    needed: str = ""

    @property
    def is_defined(self) -> bool:
        """Whether there is a mean with an interval. A model that gives the same score to all images has none."""
        return all(map(math.isfinite, (self.mean, self.low, self.high)))

    @property
    def verdict(self) -> str:
        """The verdict on a difference of a metric where higher is better: one of ``VERDICTS``.

        ``equivalent`` where two one-sided tests reject a difference of the margin or more (Schuirmann 1987; at a
        confidence of 95 %, the 90 % interval then lies within the margin). Else ``ahead`` or ``behind`` where the
        interval excludes 0. Else ``undecided``, and so are fewer than ``FEWEST_SPLITS`` splits and an undefined estimate.
        The tests are adjusted for the number of pairs by Bonferroni.

        >>> Estimate(0.03, 0.01, 0.05).verdict, Estimate(0.01, -0.01, 0.03).verdict
        ('ahead', 'undecided')
        >>> Estimate(0.001, -0.004, 0.006, count=10, margin=0.01, p_ahead=0.001, p_behind=0.001).verdict
        'equivalent'
        """
        few_splits = math.isfinite(self.margin) and self.count < FEWEST_SPLITS
        if not self.is_defined or few_splits:
            return "undecided"
        if max(self.p_ahead, self.p_behind) < (1 - self.confidence) / self.pairs:  # never where they are nan
            return "equivalent"
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "undecided"

    def describe(self, first: str, second: str) -> str:
        """Describe a difference, of a metric where higher is better, in one phrase.

        >>> Estimate(0.021, 0.004, 0.038).describe("gcn", "attention")
        'gcn ahead by 0.021 [0.004, 0.038]'
        >>> Estimate(0.006, -0.010, 0.022).describe("gcn", "attention")
        'undecided: 0.006 [-0.010, 0.022]'
        """
        if not self.is_defined:
            return "undefined"
        verdict = self.verdict
        if verdict == "equivalent":
            return f"equivalent within {self.margin:g}: {self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"
        if verdict == "undecided":
            return f"undecided: {self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"
        ahead, sign = (first, 1) if verdict == "ahead" else (second, -1)
        low, high = sorted((sign * self.low, sign * self.high))
        return f"{ahead} ahead by {sign * self.mean:.3f} [{low:.3f}, {high:.3f}]"


UNDEFINED = Estimate(math.nan, math.nan, math.nan)
