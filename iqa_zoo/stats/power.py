"""Power: the smallest SROCC gap that a dataset detects, known before any training."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.paired import compute_williams_p


def find_detectable_gap(
    num_images: int,
    base_srocc: float,
    *,
    error_correlation: float = 0.5,
    power: float = 0.8,
    level: float = 0.05,
    repeats: int = 500,
    seed: int = 0,
) -> float:
    """Smallest SROCC gap that one split detects with the given power, by simulation.

    Labels and both models' scores are drawn as normal variables whose correlations give the weaker model
    ``base_srocc`` and the stronger that plus the gap. A gap is detected where Williams' test has p < ``level``.
    Images count as independent: where a test part holds few contents, the true gap is larger.

    Args:
        num_images: images in the test part; at least 4.
        base_srocc: SROCC of the weaker model, 0 to below 1.
        error_correlation: of the two models' errors, 0..1; high for two decoders on one backbone.
        power: share of test parts on which the gap is detected.
        level: of the test, two-sided.
        repeats: simulated test parts a gap.
        seed: of the simulation.

    Returns:
        The gap in SROCC, to about 0.001; nan where not even a perfect model is distinguished from the base.
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
    p = [
        compute_williams_p(a, b, ab, draws_RI3.shape[1])
        for a, b, ab in zip(*map(np.ndarray.tolist, sroccs), strict=True)
    ]
    return float(np.mean(np.array(p) < level))


def compute_gap_ratio(splits: int, power: float, level: float, test_fraction: float = 0.2) -> float:
    """The gap that several splits detect, divided by the gap that a single split detects.

    Over random splits :func:`iqa_zoo.stats.paired.paired` decides, by Student's t of the differences of S splits
    with the variance corrected for their overlap. Test parts overlap, so the differences of two splits correlate by the
    test fraction f, and the statistic is noncentral t. With s the deviation on one split, its centre is
    gap / (s sqrt((1 - f) / S + f)). A single split has gap / s = z(1 - level / 2) + z(power). The two models are taken
    as fixed: variation from training to training comes on top.

    >>> round(compute_gap_ratio(10, power=0.8, level=0.05), 2)
    0.59
    """
    critical = float(stats.t.ppf(1 - level / 2, splits - 1))

    def missing(centre: float) -> float:
        return power - float(stats.nct.sf(critical, splits - 1, centre))

    centre = float(optimize.brentq(missing, 0, 10 + 100 * critical))
    deviation = math.sqrt((1 - test_fraction) / splits + test_fraction)
    return centre * deviation / float(stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power))
