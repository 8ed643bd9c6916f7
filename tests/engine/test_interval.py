"""The interval of one model's metric on one test part."""

import math

import numpy as np
import pytest
from scipy import stats

from iqa_zoo.engine.interval import bootstrap_interval
from iqa_zoo.engine.metrics import krocc, srocc
from iqa_zoo.errors import InputError


def _normal(rng, images, r=0.8):
    mos = rng.standard_normal(images)
    return r * mos + math.sqrt(1 - r**2) * rng.standard_normal(images), mos


def test_it_is_as_wide_as_theory_says():
    """Fieller's standard error of Fisher's z of Spearman's rho: sqrt(1.06 / (n - 3))."""
    scores, mos = _normal(np.random.default_rng(0), 400)
    interval = bootstrap_interval(scores, mos, count=1000)
    assert interval.value == srocc(scores, mos) == pytest.approx(stats.spearmanr(scores, mos).statistic)
    half = 1.96 * math.sqrt(1.06 / 397)
    expected = [math.tanh(math.atanh(interval.value) + sign * half) for sign in (-1, 1)]
    assert [interval.low, interval.high] == pytest.approx(expected, abs=0.015)
    assert (interval.count, interval.confidence) == (400, 0.95)


@pytest.mark.slow
def test_contents_are_resampled_whole():
    """Each image five times over is no more evidence than once."""
    scores, mos = _normal(np.random.default_rng(1), 60)
    once = bootstrap_interval(scores, mos, count=1000)
    groups = [f"content {index}" for index in range(60) for _ in range(5)]
    grouped = bootstrap_interval(np.repeat(scores, 5), np.repeat(mos, 5), groups=groups, count=1000)
    alone = bootstrap_interval(np.repeat(scores, 5), np.repeat(mos, 5), count=1000)
    assert grouped.count == 60
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low, rel=0.2)
    assert alone.high - alone.low < 0.6 * (once.high - once.low)


def test_the_same_seed_gives_the_same_interval_of_any_metric():
    scores, mos = _normal(np.random.default_rng(2), 50)
    first = bootstrap_interval(scores, mos, metric=krocc, count=50, confidence=0.5)
    assert first == bootstrap_interval(scores, mos, metric=krocc, count=50, confidence=0.5)
    assert first.value == krocc(scores, mos)
    assert first != bootstrap_interval(scores, mos, metric=krocc, count=50, confidence=0.5, seed=1)


def test_scores_that_are_all_the_same_have_no_interval():
    interval = bootstrap_interval([1.0] * 9, np.arange(9.0), count=10)
    assert math.isnan(interval.value)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_a_content_of_one_image_drawn_alone_is_left_out():
    interval = bootstrap_interval([1, 2, 3, 4], [1, 3, 2, 4], groups=["a", "b", "b", "b"], count=200)
    assert interval.low <= interval.high


@pytest.mark.parametrize(
    ("scores", "groups", "message"),
    [
        ([1, 2], None, "2 images; this needs at least 3"),
        ([1, 2, 3], ["a", "b"], "3 images and 2 contents; give one to each image"),
        ([1, 2, 3], ["a", "a", "a"], "all images are of one content; there is nothing to resample"),
        ([1, 2, np.nan], None, "the score of image 2 is nan"),
    ],
)
def test_what_cannot_be_resampled(scores, groups, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval(scores, np.arange(len(scores)), groups=groups)
