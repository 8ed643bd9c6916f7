"""How a model agrees with ratings: against scikit-learn, hand-computed cases of P.1401, and the corrected t interval."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import mean_absolute_error, roc_auc_score

from iqa_zoo.errors import InputError
from iqa_zoo.stats.metrics import fit_logistic4, logistic4
from iqa_zoo.stats.rater_agreement import (
    STUDY_PAIRS,
    RaterAgreement,
    average_over_splits,
    find_middle,
    measure_rater_agreement,
    summarize_ratings,
)
from iqa_zoo.stats.ratings import Ratings


def draw(images=40, seed=0):
    rng = np.random.default_rng(seed)
    ratings = Ratings(rng.uniform(1, 5, images), rng.uniform(0.5, 1.5, images), rng.integers(5, 20, images))
    return ratings, ratings.mos + rng.normal(0, 0.7, images)


def test_areas_and_order_are_those_of_scikit_learn():
    ratings, scores = draw()
    numbers = list(zip(ratings.mos, ratings.deviations, ratings.counts, strict=True))
    different, gaps, better, signed = [], [], [], []
    for i, j in itertools.combinations(range(40), 2):
        apart = scipy.stats.ttest_ind_from_stats(*numbers[i], *numbers[j], equal_var=False).pvalue < 0.05
        different.append(apart)
        gaps.append(abs(scores[i] - scores[j]))
        if apart:
            for a, b in ((i, j), (j, i)):
                better.append(ratings.mos[a] > ratings.mos[b])
                signed.append(scores[a] - scores[b])
    found = measure_rater_agreement(scores, ratings.mos, ratings=ratings)
    assert found.auc_different == pytest.approx(roc_auc_score(different, gaps))
    assert found.auc_better == pytest.approx(roc_auc_score(better, signed))
    assert found.ordered == pytest.approx(np.mean((np.array(signed) > 0) == better))
    assert found.mae == pytest.approx(mean_absolute_error(ratings.mos, scores))
    known, pairs = summarize_ratings(ratings)
    assert known.pairs == 780
    assert known.distinguished == np.mean(different)
    assert measure_rater_agreement(scores, ratings.mos, ratings=ratings, pairs=pairs) == found


def test_errors_beyond_the_noise_by_hand():
    # 16 ratings of deviation 2: half an interval is t(.975, 15) 2 / 4 = 2.13145 / 2 = 1.06572.
    ratings = Ratings([1.0, 2.0, 3.0, 4.0, 5.0], [2.0] * 5, 16)
    found = measure_rater_agreement([1.0, 3.0, 5.0, 4.0, 2.0], ratings.mos, ratings=ratings)
    assert found.outlier_ratio == 2 / 5  # errors 0, 1, 2, 0, 3
    assert found.rmse_star == pytest.approx(math.sqrt(((2 - 1.06572) ** 2 + (3 - 1.06572) ** 2) / 4), abs=1e-5)
    assert found.mae == 6 / 5


@pytest.mark.slow
def test_scores_on_another_scale_are_mapped_first():
    ratings, scores = draw()
    given = 1 / (1 + np.exp(-scores))
    found = measure_rater_agreement(given, ratings.mos, ratings=ratings, fit=True)
    errors = np.abs(logistic4(given, fit_logistic4(given, ratings.mos)) - ratings.mos)
    half = scipy.stats.t.ppf(0.975, ratings.counts - 1) * ratings.deviations / np.sqrt(ratings.counts)
    assert found.mae == pytest.approx(errors.mean())
    assert found.outlier_ratio == pytest.approx((errors > half).mean())
    assert found.rmse_star == pytest.approx(np.sqrt((np.maximum(errors - half, 0) ** 2).sum() / 36))  # four parameters
    assert found.ordered == measure_rater_agreement(scores, ratings.mos, ratings=ratings).ordered


def test_without_ratings_errors_and_groups_remain():
    found = measure_rater_agreement([1, 2, 4, 3], [1, 2, 3, 4], groups=["a", "a", "b", "b"])
    assert (found.mae, found.ordered_within_groups) == (0.5, 0.5)
    unknown = ("ordered", "auc_different", "auc_better", "outlier_ratio", "rmse_star", "equal_raters")
    assert all(math.isnan(getattr(found, name)) for name in unknown)


def test_what_is_undefined_is_nan_and_the_rest_is_there():
    ratings, _ = draw()
    constant = measure_rater_agreement(np.full(40, 3.0), ratings.mos, ratings=ratings)
    assert math.isnan(constant.ordered)
    assert math.isnan(constant.equal_raters)
    assert constant.mae == pytest.approx(np.abs(ratings.mos - 3).mean())
    assert 0 < constant.outlier_ratio <= 1
    fitted = measure_rater_agreement(np.full(40, 3.0), ratings.mos, ratings=ratings, fit=True)
    assert all(math.isnan(getattr(fitted, name)) for name in RaterAgreement.__dataclass_fields__)
    noise = Ratings([1.0, 1.1, 1.2, 1.3], [2.0] * 4, 4)  # people distinguish no pair
    found = measure_rater_agreement([1, 2, 3, 4], noise.mos, ratings=noise)
    assert math.isnan(found.ordered)
    assert math.isnan(found.equal_raters)
    assert found.outlier_ratio == 0
    known, _ = summarize_ratings(noise)
    assert (known.distinguished, known.reliability) == (0, 0)
    assert math.isnan(known.ceiling_srocc)


def test_a_perfect_model_is_at_the_ceiling():
    ratings, _ = draw()
    found = measure_rater_agreement(ratings.mos, ratings.mos, ratings=ratings)
    assert (found.ordered, found.auc_better, found.outlier_ratio, found.rmse_star, found.mae) == (1, 1, 0, 0, 0)
    assert found.equal_raters == math.inf


@pytest.mark.slow
def test_many_pairs_are_drawn_and_say_the_same():
    rng = np.random.default_rng(0)
    ratings = Ratings(rng.uniform(1, 5, 700), rng.uniform(0.5, 1.5, 700), 15)
    scores = ratings.mos + rng.normal(0, 0.7, 700)
    known, pairs = summarize_ratings(ratings)
    assert known.pairs == STUDY_PAIRS < 700 * 699 / 2
    drawn = measure_rater_agreement(scores, ratings.mos, ratings=ratings, pairs=pairs)
    every = measure_rater_agreement(scores, ratings.mos, ratings=ratings)  # all 244,650
    for name in ("ordered", "auc_different", "auc_better"):
        assert getattr(drawn, name) == pytest.approx(getattr(every, name), abs=0.005)
    assert summarize_ratings(ratings)[0] == known  # seeded


def test_the_interval_over_splits_is_the_corrected_one():
    values = [0.81, 0.83, 0.82, 0.86]
    found = average_over_splits(values, 0.25)
    half = 3.182446 * math.sqrt(np.var(values, ddof=1) * (1 / 4 + 0.25))  # t(.975, 3)
    assert (found.mean, found.low, found.high) == pytest.approx((0.83, 0.83 - half, 0.83 + half))
    ends = average_over_splits([0.7, 0.99], 0.25, limits=(0, 1))
    assert (ends.low, ends.high) == (0, 1)
    one = average_over_splits([0.9, math.nan], 0.25)
    assert (one.mean, one.count) == (0.9, 1)
    assert math.isnan(one.low)
    assert math.isnan(average_over_splits([math.nan], 0.25).mean)


def test_the_middle_of_numbers_some_of_which_are_infinite():
    assert find_middle([3, 1, 2, math.inf, math.nan]) == (1, 2, 3)
    assert find_middle([math.inf, math.inf, 1]) == (1, math.inf, math.inf)


def test_refuses():
    ratings, scores = draw()
    with pytest.raises(InputError, match="scores of shape"):
        measure_rater_agreement(scores[:5], ratings.mos, ratings=ratings)


def test_scores_that_fall_with_the_labels_are_worth_no_rater():
    mos = np.linspace(1, 5, 30)
    ratings = Ratings(mos, np.full(30, 0.5), 16)
    fallen = measure_rater_agreement(-mos, mos, ratings=ratings, fit=True)
    assert fallen.equal_raters == 0
    assert fallen.mae == pytest.approx(np.abs(mos - mos.mean()).mean())
    assert measure_rater_agreement(mos, mos, ratings=ratings, fit=True).mae < 0.1
