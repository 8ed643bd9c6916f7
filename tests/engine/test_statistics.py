import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from iqa_zoo.engine.metrics import plcc, srocc
from iqa_zoo.engine.statistics import (
    Difference,
    bootstrap_difference,
    detectable_gap,
    holm,
    median_iqr,
    paired_difference,
    srocc_difference_p,
    williams_test,
)
from iqa_zoo.errors import InputError


def two_models(count, seed, noise_a=0.5, noise_b=0.5):
    rng = np.random.default_rng(seed)
    mos = rng.normal(size=count)
    return mos + noise_a * rng.normal(size=count), mos + noise_b * rng.normal(size=count), mos


def test_median_and_quartiles():
    spread = median_iqr([5, 1, 2, 4, 3])
    assert (spread.median, spread.q1, spread.q3, spread.iqr) == (3, 2, 4, 2)
    spread = median_iqr([0.8, np.nan, 1.0, None])
    assert (spread.median, spread.undefined) == (pytest.approx(0.9), 2)
    assert np.isnan(median_iqr([np.nan, None]).median)
    with pytest.raises(InputError):
        median_iqr([])


def test_paired_difference_by_hand():
    # Differences .01 .03 .02 .02: mean .02, s^2 = .0002 / 3; corrected variance s^2 (1/4 + 1/4); t(.975, 3) = 3.182446
    found = paired_difference([0.81, 0.83, 0.82, 0.82], [0.8, 0.8, 0.8, 0.8])
    half = 3.182446 * np.sqrt(0.0002 / 3 / 2)
    assert found.mean == pytest.approx(0.02)
    assert (found.low, found.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-8)
    assert found.count == 4
    assert not found.is_tie


def test_without_overlap_it_is_the_ordinary_t_interval():
    a, b = np.random.default_rng(0).normal(size=(2, 10))
    found = paired_difference(a, b, test_train_ratio=0, confidence=0.9)
    judge = scipy.stats.ttest_rel(a, b).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((judge.low, judge.high))
    assert found.p == pytest.approx(scipy.stats.wilcoxon(a, b).pvalue)


def test_overlap_widens_the_interval():
    a, b = np.random.default_rng(0).normal(size=(2, 10))
    plain, corrected = (paired_difference(a, b, test_train_ratio=ratio) for ratio in (0, 0.25))
    width = (corrected.high - corrected.low) / (plain.high - plain.low)
    assert width == pytest.approx(np.sqrt((0.1 + 0.25) / 0.1))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_exchanging_the_models_turns_the_sign(count, seed):
    a, b = np.random.default_rng(seed).normal(size=(2, count)).round(1)
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert forth.p == pytest.approx(back.p)
    assert 0 <= forth.p <= 1


@pytest.mark.slow
def test_the_interval_keeps_its_level_on_overlapping_splits():
    # Two models without a true difference, ten random 8:2 splits of one set of images: a split's difference is the
    # mean of what each of its test images adds. Undecided is right in 95 % of the cases.
    rng = np.random.default_rng(0)
    naive = corrected = 0
    for _ in range(300):
        effect = rng.normal(size=100)
        differences = [effect[rng.permutation(100)[:20]].mean() for _ in range(10)]
        corrected += paired_difference(differences, np.zeros(10)).is_tie
        naive += paired_difference(differences, np.zeros(10), test_train_ratio=0).is_tie
    assert 0.91 < corrected / 300 < 0.99
    assert naive / 300 < 0.85


def test_equal_models_tie():
    found = paired_difference([0.1 + 0.2, 0.5], [0.3, 0.5])
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert found.is_tie
    assert found.verdict("a", "b").startswith("undecided")


def test_verdict_names_the_model_ahead():
    assert Difference(-0.02, -0.03, -0.01, 0.01, 10).verdict("a", "b") == "b ahead by 0.020 [0.010, 0.030]"
    nothing = float("nan")
    undefined = Difference(nothing, nothing, nothing, nothing, 10)
    assert not undefined.is_defined
    assert not undefined.is_tie
    assert undefined.verdict("a", "b") == "undefined"


def test_paired_difference_refuses():
    with pytest.raises(InputError, match="at least two"):
        paired_difference([0.8], [0.7])
    with pytest.raises(InputError, match="split 1 has a value that is not finite"):
        paired_difference([0.8, np.nan], [0.7, 0.7])
    with pytest.raises(InputError, match="shapes"):
        paired_difference([0.8, 0.9], [0.7])
    with pytest.raises(InputError, match="test_train_ratio"):
        paired_difference([0.8, 0.9], [0.7, 0.7], test_train_ratio=-1)


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04 times 4 3 2 1, made monotonic.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    with pytest.raises(InputError):
        holm([0.5, 1.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_raw_and_bonferroni(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= min(1, p * len(p_values)) + 1e-15 for p, q in zip(p_values, adjusted, strict=True))
    assert [adjusted[index] for index in np.argsort(p_values, kind="stable")] == sorted(adjusted)


def test_williams_by_hand():
    # |R| = .62, mean r = .45: t = -.1 sqrt(102 * 1.1 / (2 * 102 / 100 * .62 + .45^2 * .9^3)) = -.8913, 100 degrees
    assert williams_test(0.4, 0.5, 0.1, 103) == pytest.approx(2 * scipy.stats.t.cdf(-0.89132, 100), abs=1e-4)
    assert williams_test(0.5, 0.5, 0.3, 50) == 1


def test_williams_keeps_its_level_and_beats_independence():
    rejected = 0
    for seed in range(400):
        a, b, mos = two_models(50, seed)
        rejected += williams_test(plcc(a, mos), plcc(b, mos), plcc(a, b), 50) < 0.05
    assert 0.02 < rejected / 400 < 0.09
    assert williams_test(0.85, 0.88, 0.95, 200) < 0.05 < williams_test(0.85, 0.88, 0.70, 200)


def test_williams_refuses():
    with pytest.raises(InputError, match="at least 4"):
        williams_test(0.1, 0.2, 0.3, 3)
    with pytest.raises(InputError, match="no three variables"):
        williams_test(0.9, -0.9, 0.9, 30)


def test_srocc_difference():
    a, b, mos = two_models(300, 0, noise_b=1.0)
    assert srocc_difference_p(a, b, mos) < 1e-6
    assert srocc_difference_p(a, a, mos) == 1
    assert srocc_difference_p(mos, a, mos) < 1e-6
    assert np.isnan(srocc_difference_p(np.ones(300), b, mos))


def test_bootstrap_sees_a_real_difference_and_ties_equal_models():
    a, b, mos = two_models(200, 0, noise_b=1.0)
    found = bootstrap_difference(a, b, mos, count=300)
    assert found.mean == srocc(a, mos) - srocc(b, mos)
    assert found.low < found.mean < found.high
    assert not found.is_tie
    assert found.p < 0.02
    same = bootstrap_difference(a, a, mos, count=50)
    assert (same.low, same.high, same.p) == (0, 0, 1)
    assert same.is_tie


@pytest.mark.slow
def test_bootstrap_interval_covers_as_stated():
    covered = 0
    for seed in range(60):
        a, b, mos = two_models(100, seed)
        covered += bootstrap_difference(a, b, mos, metric=plcc, count=80, seed=seed).is_tie
    assert 51 <= covered < 60


def test_bootstrap_is_repeatable():
    a, b, mos = two_models(50, 1)
    first, again, other = (bootstrap_difference(a, b, mos, count=50, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


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
    assert not found.is_tie


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_images", "base_srocc", "gap"),
    # Published sets of 8:2 splits at the level of published results, simulated independently.
    [(232, 0.875, 0.034), (600, 0.892, 0.018)],
)
def test_detectable_gap_agrees_with_an_independent_simulation(num_images, base_srocc, gap):
    assert detectable_gap(num_images, base_srocc, repeats=200) == pytest.approx(gap, rel=0.2)


def test_a_detectable_gap_is_detected_at_its_power():
    # Drawn and tested another way: correlations by Cholesky, Williams' test by srocc_difference_p.
    gap = detectable_gap(100, 0.7, repeats=300, error_correlation=0.3)
    r_a, r_b = (2 * np.sin(np.pi * value / 6) for value in (0.7, 0.7 + gap))
    r_ab = r_a * r_b + 0.3 * np.sqrt((1 - r_a**2) * (1 - r_b**2))
    lower = np.linalg.cholesky(np.array([[1, r_a, r_b], [r_a, 1, r_ab], [r_b, r_ab, 1]]))
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(250):
        mos, a, b = lower @ rng.normal(size=(3, 100))
        found += srocc_difference_p(a, b, mos) < 0.05
    assert 0.72 < found / 250 < 0.88


def test_more_images_see_smaller_gaps():
    gaps = [detectable_gap(count, 0.8, repeats=60) for count in (50, 200, 800)]
    assert gaps[0] > 1.5 * gaps[1] > 2.25 * gaps[2]
    assert np.isnan(detectable_gap(6, 0.98, repeats=50))
    with pytest.raises(InputError, match="base_srocc is 1"):
        detectable_gap(100, 1.0)
    with pytest.raises(InputError, match="3 test images"):
        detectable_gap(3, 0.5)
