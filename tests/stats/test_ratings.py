"""What the ratings say: hand-computed cases, and simulated raters for the ceiling and the equal number of raters."""

import math

import numpy as np
import pytest
import scipy.stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.ratings import (
    Ratings,
    compute_ceiling,
    compute_outlier_ratio,
    compute_rmse_star,
    count_equal_raters,
)


def rate(quality, raters, deviation, seed):
    """Ratings of each image by raters whose noise has a deviation."""
    ratings = quality[:, None] + deviation * np.random.default_rng(seed).normal(size=(len(quality), raters))
    return Ratings(ratings.mean(1), ratings.std(1, ddof=1), raters)


def test_half_widths_are_those_of_scipy():
    ratings = Ratings([1.0, 2.0, 4.0], [0.5, 1.0, 0.0], [5, 30, 8])
    low, high = scipy.stats.t.interval(0.95, [4, 29, 7], loc=[1, 2, 4], scale=[0.5 / 5**0.5, 1 / 30**0.5, 1e-300])
    assert ratings.compute_half_widths() == pytest.approx((high - low) / 2)


def test_outliers_and_rmse_star_by_hand():
    # t(.975, 15) = 2.13145, so that the interval is .53286 wide on each side; errors 0, .6, -1, .5
    ratings = Ratings([1.0, 2.0, 3.0, 4.0], [1.0] * 4, 16)
    scores = [1.0, 2.6, 2.0, 4.5]
    assert compute_outlier_ratio(scores, ratings) == 0.5
    squares = (0.6 - 0.53286) ** 2 + (1 - 0.53286) ** 2
    assert compute_rmse_star(scores, ratings) == pytest.approx(math.sqrt(squares / 3), abs=1e-5)
    assert compute_rmse_star(scores, ratings, freedom=2) == pytest.approx(math.sqrt(squares / 2), abs=1e-5)
    assert compute_rmse_star(ratings.mos, ratings) == compute_outlier_ratio(ratings.mos, ratings) == 0


def test_without_noise_rmse_star_is_the_root_mean_squared_error():
    ratings = Ratings([1.0, 2.0, 3.0], [0.0] * 3, 10)
    assert compute_rmse_star([1.0, 2.0, 6.0], ratings, freedom=0) == pytest.approx(math.sqrt(3))
    assert compute_outlier_ratio([1.0, 2.0, 6.0], ratings) == pytest.approx(1 / 3)


def test_the_ceiling_is_what_the_true_quality_reaches():
    quality = np.random.default_rng(0).normal(3, 0.8, size=3000)
    ratings = rate(quality, 8, 1.2, seed=1)
    ceiling = compute_ceiling(ratings, repeats=20)
    assert ceiling.reliability == pytest.approx(0.64 / (0.64 + 1.44 / 8), abs=0.02)
    assert ceiling.plcc == pytest.approx(scipy.stats.pearsonr(quality, ratings.mos).statistic, abs=0.01)
    assert ceiling.srocc == pytest.approx(scipy.stats.spearmanr(quality, ratings.mos).statistic, abs=0.01)
    assert compute_ceiling(ratings, repeats=20) == ceiling
    assert compute_ceiling(ratings, repeats=20, seed=1).srocc != ceiling.srocc


@pytest.mark.parametrize("raters", [1, 4, 20])
def test_the_mean_of_n_other_raters_is_as_good_as_n_raters(raters):
    quality = np.random.default_rng(0).normal(3, 0.8, size=20000)
    ratings = rate(quality, 25, 1.2, seed=1)
    others = rate(quality, max(raters, 2), 1.2, seed=2).mos
    if raters == 1:
        others = quality + 1.2 * np.random.default_rng(3).normal(size=len(quality))
    assert count_equal_raters(others, ratings) == pytest.approx(raters, rel=0.15)


def test_raters_at_the_ends():
    quality = np.linspace(1, 5, 500)
    ratings = rate(quality, 10, 1.0, seed=0)
    assert count_equal_raters(ratings.mos, ratings) == math.inf
    assert count_equal_raters(-quality, ratings) == 0
    with pytest.raises(InputError, match="all scores are equal"):
        count_equal_raters(np.ones(500), ratings)


def test_refuses():
    with pytest.raises(InputError, match="the ratings have no deviation"):
        Ratings([1.0, 2.0, 3.0], None, 10)
    with pytest.raises(InputError, match="the ratings have no number"):
        Ratings([1.0, 2.0, 3.0], [1.0] * 3, None)
    with pytest.raises(InputError, match="the deviation of image 1 is nan"):
        Ratings([1.0, 2.0, 3.0], [1.0, math.nan, 1.0], 10)
    with pytest.raises(InputError, match="the deviation of image 2 is -1.0"):
        Ratings([1.0, 2.0, 3.0], [1.0, 1.0, -1.0], 10)
    with pytest.raises(InputError, match="MOSs of shape \\(3,\\) and deviations of shape \\(2,\\)"):
        Ratings([1.0, 2.0, 3.0], [1.0, 1.0], 10)
    with pytest.raises(InputError, match="image 1 has 1 ratings"):
        Ratings([1.0, 2.0, 3.0], [1.0] * 3, [5, 1, 5])
    with pytest.raises(InputError, match="counts of shape"):
        Ratings([1.0, 2.0, 3.0], [1.0] * 3, [5, 5])
    few = Ratings([1.0, 2.0, 3.0], [1.0] * 3, 10)
    with pytest.raises(InputError, match="freedom is 3 for 3 images"):
        compute_rmse_star([1, 2, 3], few, freedom=3)
    with pytest.raises(InputError, match="the score of image 0 is nan"):
        compute_rmse_star([math.nan, 2, 3], few)
    with pytest.raises(InputError, match="vary no more than the noise"):
        compute_ceiling(Ratings([2.0, 2.0, 2.0], [1.0] * 3, 10))
