"""The probability that one image is better, against draws from the normal distributions it is of."""

import numpy as np
import pytest
from scipy.stats import norm

from iqa_zoo.stats.better import compute_probability_better


@pytest.mark.parametrize(
    ("first", "second", "halves", "coverage"),
    [(61, 55, (8, 12), 0.9), (40, 41, (3, 3), 0.95), (9, 1, (2, 9), 0.5)],
)
def test_it_is_the_share_of_draws_in_which_the_first_is_better(first, second, halves, coverage):
    rng = np.random.default_rng(0)
    deviations = [half / norm.ppf(0.5 + coverage / 2) for half in halves]
    inside = np.abs(rng.normal(0, deviations[0], 200_000)) < halves[0]
    assert inside.mean() == pytest.approx(coverage, abs=0.004)  # the interval holds its share
    a, b = (rng.normal(mean, deviation, 200_000) for mean, deviation in zip((first, second), deviations, strict=True))
    share = (a > b).mean()
    probability = compute_probability_better(first - second, *halves, coverage)
    assert probability == pytest.approx(share, abs=0.005)
    assert compute_probability_better(second - first, *halves[::-1], coverage) == pytest.approx(1 - probability)
