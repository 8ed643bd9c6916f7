"""How probable it is that one image is better than another, from the intervals of their scores."""

from __future__ import annotations

import math

from scipy.stats import norm


def compute_probability_better(difference: float, first_half: float, second_half: float, coverage: float) -> float:
    r"""Return the probability that the first of two images is rated higher than the second.

    The mean rating of each image is taken as normal around its score, with the standard deviation :math:`\sigma = h / z` where *h* is
    half the width of its interval and *z* the quantile of the normal distribution at ``(1 + coverage) / 2``. Errors of the two
    are taken as independent, so that

    .. math:: P = \Phi\bigl((s_1 - s_2) / \sqrt{\sigma_1^2 + \sigma_2^2}\bigr).

    Errors of two images of one scene are correlated, which is ignored: where the correlation is positive, as it usually is, the
    probability is farther from one half than this.

    Args:
        difference: score of the first minus that of the second, on a scale where higher is better.
        first_half, second_half: half the width of their intervals, above 0.
        coverage: of the intervals, in 0..1.

    >>> compute_probability_better(0, 5, 5, 0.9)
    0.5
    >>> round(compute_probability_better(10, 10, 10, 0.9), 3)  # Phi(1.645 / sqrt(2))
    0.878
    """
    z = norm.ppf((1 + coverage) / 2)
    return float(norm.cdf(z * difference / math.hypot(first_half, second_half)))
