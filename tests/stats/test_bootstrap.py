"""Intervals over resampled test images: of one model, of two, and of two over several trainings."""

import math

import numpy as np
import pytest
from scipy import stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.bootstrap import bootstrap_difference, bootstrap_interval
from iqa_zoo.stats.metrics import krocc, plcc, srocc


def _normal(rng, images, r=0.8):
    mos = rng.standard_normal(images)
    return r * mos + math.sqrt(1 - r**2) * rng.standard_normal(images), mos


@pytest.mark.slow
def test_it_is_as_wide_as_theory_says():
    """Fieller's standard error of Fisher's z of Spearman's rho: sqrt(1.06 / (n - 3))."""
    scores, mos = _normal(np.random.default_rng(0), 400)
    interval = bootstrap_interval(scores, mos, count=1000)
    assert interval.mean == srocc(scores, mos) == pytest.approx(stats.spearmanr(scores, mos).statistic)
    half = 1.96 * math.sqrt(1.06 / 397)
    expected = [math.tanh(math.atanh(interval.mean) + sign * half) for sign in (-1, 1)]
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
    assert first.mean == krocc(scores, mos)
    assert first != bootstrap_interval(scores, mos, metric=krocc, count=50, confidence=0.5, seed=1)


def test_scores_that_are_all_the_same_have_no_interval():
    interval = bootstrap_interval([1.0] * 9, np.arange(9.0), count=10)
    assert math.isnan(interval.mean)
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


def two_models(count, seed, noise_a=0.5, noise_b=0.5):
    rng = np.random.default_rng(seed)
    mos = rng.normal(size=count)
    return mos + noise_a * rng.normal(size=count), mos + noise_b * rng.normal(size=count), mos


@pytest.mark.slow
def test_bootstrap_decides_a_real_difference_and_leaves_equal_models_undecided():
    a, b, mos = two_models(200, 0, noise_b=1.0)
    found = bootstrap_difference(a, b, mos, count=300)
    assert found.mean == srocc(a, mos) - srocc(b, mos)
    assert found.low < found.mean < found.high
    assert found.verdict == "ahead"
    assert found.p < 0.02
    same = bootstrap_difference(a, a, mos, count=50)
    assert (same.low, same.high, same.p) == (0, 0, 1)
    assert same.verdict == "undecided"


@pytest.mark.slow
def test_bootstrap_interval_covers_as_stated():
    covered = 0
    for seed in range(60):
        a, b, mos = two_models(100, seed)
        covered += bootstrap_difference(a, b, mos, metric=plcc, count=80, seed=seed).verdict == "undecided"
    assert 51 <= covered < 60


@pytest.mark.slow
def test_bootstrap_is_repeatable():
    a, b, mos = two_models(50, 1)
    first, again, other = (bootstrap_difference(a, b, mos, count=50, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_images_of_one_content_are_resampled_together():
    # Five contents, forty images each, which all err alike: five observations, not two hundred.
    rng = np.random.default_rng(0)
    mos, contents = rng.normal(size=200), np.repeat(np.arange(5), 40)
    a, b = (mos + rng.normal(size=5)[contents] + 0.1 * rng.normal(size=200) for _ in range(2))
    groups = [f"content {content}" for content in contents]
    grouped = bootstrap_difference(a, b, mos, groups=groups, count=200)
    alone = bootstrap_difference(a, b, mos, count=200)
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    with pytest.raises(InputError, match="one content"):
        bootstrap_difference(a, b, mos, groups=["same"] * 200)
    with pytest.raises(InputError, match="200 images and 1 contents"):
        bootstrap_difference(a, b, mos, groups=["same"])


def test_bootstrap_of_constant_scores_is_undefined():
    _, b, mos = two_models(20, 0)
    found = bootstrap_difference(np.ones(20), b, mos, count=10)
    assert np.isnan(found.mean)
    assert not found.is_defined
