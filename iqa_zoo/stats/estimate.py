"""An estimate with its confidence interval: the one form in which a mean, a metric or a difference is reported."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A metric of one model, or a difference of two models (first minus second), with its confidence interval.

    Attributes:
        mean: the estimate.
        low, high: confidence interval.
        p: two-sided p value of the test that the function which made the estimate names; nan where there is none.
        count: splits, images or contents that the estimate rests on.
        confidence: level of the interval.
        se: standard error of the mean; nan where the method gives none.
        method: how the interval was made: ``corrected t``, ``bootstrap`` or ``corrected t + bootstrap``.
    """

    mean: float
    low: float
    high: float
    p: float = math.nan
    count: int = 0
    confidence: float = 0.95
    se: float = math.nan
    method: str = ""

    @property
    def is_defined(self) -> bool:
        """Whether there is a mean with an interval. A model that gives the same score to all images has none."""
        return all(map(math.isfinite, (self.mean, self.low, self.high)))

    @property
    def is_undecided(self) -> bool:
        """Whether the interval contains 0. An undefined estimate is neither decided nor undecided."""
        return self.low <= 0 <= self.high

    @property
    def is_decided(self) -> bool:
        """Whether the interval excludes 0."""
        return self.is_defined and not self.is_undecided

    def verdict(self, first: str, second: str) -> str:
        """Describe a difference, of a metric where higher is better, in one phrase.

        >>> Estimate(0.021, 0.004, 0.038).verdict("gcn", "attention")
        'gcn ahead by 0.021 [0.004, 0.038]'
        >>> Estimate(0.006, -0.010, 0.022).verdict("gcn", "attention")
        'undecided: 0.006 [-0.010, 0.022]'
        """
        if not self.is_defined:
            return "undefined"
        if self.is_undecided:
            return f"undecided: {self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"
        ahead, sign = (first, 1) if self.mean > 0 else (second, -1)
        low, high = sorted((sign * self.low, sign * self.high))
        return f"{ahead} ahead by {sign * self.mean:.3f} [{low:.3f}, {high:.3f}]"


UNDEFINED = Estimate(math.nan, math.nan, math.nan)
