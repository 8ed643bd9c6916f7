"""Pairs that people distinguish, against scipy's t test and scikit-learn's ROC curve, and order within groups."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from iqa_zoo.errors import InputError
from iqa_zoo.stats.pair_order import (
    Pairs,
    compute_order_within_groups,
    distinguish_pairs,
    measure_pair_agreement,
)
from iqa_zoo.stats.ratings import Ratings


def draw_ratings(images=30, seed=0):
    rng = np.random.default_rng(seed)
    return Ratings(rng.uniform(1, 5, images), rng.uniform(0.5, 1.5, images), rng.integers(3, 12, images))


def test_pairs_are_distinguished_as_by_welchs_test():
    ratings = draw_ratings()
    pairs = distinguish_pairs(ratings)
    numbers = list(zip(ratings.mos, ratings.deviations, ratings.counts, strict=True))
    for k, (i, j) in enumerate(itertools.combinations(range(30), 2)):
        p = scipy.stats.ttest_ind_from_stats(*numbers[i], *numbers[j], equal_var=False).pvalue
        assert (pairs.first[k], pairs.second[k]) == (i, j)
        assert pairs.distinguished[k] == (p < 0.05)
        assert pairs.better[k] == (ratings.mos[i] > ratings.mos[j])
    assert 0.2 < pairs.distinguished.mean() < 0.9


def test_ratings_without_noise():
    pairs = distinguish_pairs(Ratings([1.0, 1.0, 2.0], [0.0] * 3, 5))
    assert pairs.distinguished.tolist() == [False, True, True]


def test_areas_are_those_of_scikit_learn():
    ratings = draw_ratings()
    scores = np.round(ratings.mos + np.random.default_rng(1).normal(size=30), 1)  # some scores are equal
    found, pairs = measure_pair_agreement(scores, ratings), distinguish_pairs(ratings)
    difference = scores[pairs.first] - scores[pairs.second]
    assert found.auc_different == pytest.approx(roc_auc_score(pairs.distinguished, np.abs(difference)))
    kept = pairs.distinguished
    both = np.concatenate([difference[kept], -difference[kept]])
    better = np.concatenate([pairs.better[kept], ~pairs.better[kept]])
    assert found.auc_better == pytest.approx(roc_auc_score(better, both))
    right = np.sign(difference[kept]) == np.where(pairs.better[kept], 1, -1)
    assert found.ordered == pytest.approx(right.mean() + (difference[kept] == 0).mean() / 2)
    assert found.distinguished == kept.mean()


def test_by_hand():
    # (0, 1) is not distinguished; of the others, the model has (2, 3) the wrong way round.
    pairs = Pairs(
        np.array([0, 0, 0, 1, 1, 2]),
        np.array([1, 2, 3, 2, 3, 3]),
        np.array([False, True, True, True, True, True]),
        np.array([False, False, False, False, False, True]),
    )
    ratings = Ratings([1.0, 1.1, 5.0, 4.0], [1.0] * 4, 16)
    found = measure_pair_agreement([0.1, 0.3, 0.7, 0.8], ratings, pairs)
    assert (found.pairs, found.ordered) == (6, 0.8)
    assert found.auc_different == pytest.approx(0.8)  # .6 .7 .4 .5 above .2, .1 below
    assert found.auc_better == pytest.approx(24 / 25)  # only -.1 against .1 is wrong


def test_the_order_of_two_images_does_not_matter():
    ratings = draw_ratings()
    scores = np.random.default_rng(1).normal(size=30)
    turned = Ratings(ratings.mos[::-1], ratings.deviations[::-1], ratings.counts[::-1])
    forth, back = measure_pair_agreement(scores, ratings), measure_pair_agreement(scores[::-1], turned)
    assert forth.auc_better == pytest.approx(back.auc_better)
    assert forth.auc_different == pytest.approx(back.auc_different)
    assert measure_pair_agreement(-scores, ratings).ordered == pytest.approx(1 - forth.ordered)
    assert measure_pair_agreement(ratings.mos, ratings).ordered == 1


def test_many_pairs_are_drawn():
    ratings = draw_ratings(200)
    every, drawn = distinguish_pairs(ratings), distinguish_pairs(ratings, max_pairs=10000)
    assert len(every.first) == 19900
    assert len(drawn.first) == 10000
    assert (drawn.first != drawn.second).all()
    assert drawn.distinguished.mean() == pytest.approx(every.distinguished.mean(), abs=0.02)


def test_where_all_pairs_are_distinguished_there_is_no_area():
    found = measure_pair_agreement([1, 2, 3], Ratings([1.0, 2.0, 3.0], [0.01] * 3, 20))
    assert found.distinguished == found.ordered == 1
    assert math.isnan(found.auc_different)


def test_within_groups_is_kendalls_tau_of_one_group():
    scores, mos = np.random.default_rng(0).normal(size=(2, 25))
    tau = scipy.stats.kendalltau(scores, mos).statistic
    assert compute_order_within_groups(scores, mos, ["a"] * 25) == pytest.approx((tau + 1) / 2)


def test_within_groups_by_hand():
    # a: (1, 2) right, (1, 3) equal scores, (2, 3) equal labels; b: one pair, wrong; c: a single image.
    scores, mos = [1, 2, 1, 5, 4, 9], [1, 3, 3, 1, 2, 0]
    assert compute_order_within_groups(scores, mos, list("aaabbc")) == pytest.approx(1.5 / 3)


def test_refuses():
    ratings = draw_ratings()
    with pytest.raises(InputError, match="all scores are equal"):
        measure_pair_agreement(np.ones(30), ratings)
    with pytest.raises(InputError, match="people distinguish no pair"):
        measure_pair_agreement([1, 2, 3], Ratings([1.0, 1.1, 1.2], [2.0] * 3, 5))
    with pytest.raises(InputError, match="scores of shape"):
        measure_pair_agreement([1, 2, 3], ratings)
    with pytest.raises(InputError, match="no group has two images of different labels"):
        compute_order_within_groups([1, 2, 3], [1, 1, 2], ["a", "a", "b"])
    with pytest.raises(InputError, match="3 images and 2 groups"):
        compute_order_within_groups([1, 2, 3], [1, 1, 2], ["a", "b"])
