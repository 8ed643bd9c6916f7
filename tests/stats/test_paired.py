import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.errors import InputError
from iqa_zoo.stats.metrics import plcc
from iqa_zoo.stats.paired import adjust_holm, compute_williams_p, pitman_morgan


def two_models(count, seed, noise_a=0.5, noise_b=0.5):
    rng = np.random.default_rng(seed)
    mos = rng.normal(size=count)
    return mos + noise_a * rng.normal(size=count), mos + noise_b * rng.normal(size=count), mos


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04 times 4 3 2 1, made monotonic.
    assert adjust_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_holm([]) == []
    with pytest.raises(InputError):
        adjust_holm([0.5, 1.5])


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_raw_and_bonferroni(p_values):
    adjusted = adjust_holm(p_values)
    assert all(p <= q <= min(1, p * len(p_values)) + 1e-15 for p, q in zip(p_values, adjusted, strict=True))
    assert [adjusted[index] for index in np.argsort(p_values, kind="stable")] == sorted(adjusted)


def test_williams_by_hand():
    # |R| = .62, mean r = .45: t = -.1 sqrt(102 * 1.1 / (2 * 102 / 100 * .62 + .45^2 * .9^3)) = -.8913, 100 degrees
    assert compute_williams_p(0.4, 0.5, 0.1, 103) == pytest.approx(2 * scipy.stats.t.cdf(-0.89132, 100), abs=1e-4)
    assert compute_williams_p(0.5, 0.5, 0.3, 50) == 1


@pytest.mark.slow
def test_williams_keeps_its_level_and_beats_independence():
    rejected = 0
    for seed in range(400):
        a, b, mos = two_models(50, seed)
        rejected += compute_williams_p(plcc(a, mos), plcc(b, mos), plcc(a, b), 50) < 0.05
    assert 0.02 < rejected / 400 < 0.09
    assert compute_williams_p(0.85, 0.88, 0.95, 200) < 0.05 < compute_williams_p(0.85, 0.88, 0.70, 200)


def test_williams_refuses():
    with pytest.raises(InputError, match="at least 4"):
        compute_williams_p(0.1, 0.2, 0.3, 3)
    with pytest.raises(InputError, match="no three variables"):
        compute_williams_p(0.9, -0.9, 0.9, 30)


def test_pitman_morgan_is_the_correlation_of_sum_and_difference():
    a, b, mos = two_models(40, 0, noise_b=0.9)
    found = pitman_morgan(a, b, mos)
    judge = scipy.stats.pearsonr(a + b - 2 * mos, a - b)
    assert found.p == pytest.approx(judge.pvalue)
    assert found.t == pytest.approx(judge.statistic * np.sqrt(38 / (1 - judge.statistic**2)))
    assert (found.variance_a, found.variance_b) == pytest.approx((np.var(a - mos, ddof=1), np.var(b - mos, ddof=1)))
    assert found.t < 0
    assert found.freedom == 38
    turned = pitman_morgan(b, a, mos)
    assert (turned.t, turned.p) == pytest.approx((-found.t, found.p))


def test_pitman_morgan_by_hand():
    # With F the ratio of the variances and r the correlation of the residuals,
    # t = (F - 1) sqrt(n - 2) / (2 sqrt(F (1 - r^2))).
    a, b, mos = two_models(12, 3)
    f = np.var(a - mos) / np.var(b - mos)
    r = np.corrcoef(a - mos, b - mos)[0, 1]
    assert pitman_morgan(a, b, mos).t == pytest.approx((f - 1) * np.sqrt(10) / (2 * np.sqrt(f * (1 - r**2))))


def test_pitman_morgan_at_the_ends():
    a, b, mos = two_models(12, 3)
    same = pitman_morgan(a, a + 2, mos)
    assert (same.t, same.p) == (0, 1)
    assert pitman_morgan(mos, b, mos).p < 1e-12  # no residuals against some
    assert pitman_morgan(2 * mos - a, a, mos).p == 1  # opposite residuals
    with pytest.raises(InputError, match="shape"):
        pitman_morgan(a[:5], b, mos)
    with pytest.raises(InputError, match="at least 3"):
        pitman_morgan(a[:2], b[:2], mos[:2])


@pytest.mark.slow
def test_pitman_morgan_keeps_its_level():
    rejected = sum(pitman_morgan(*two_models(30, seed)).p < 0.05 for seed in range(1000))
    assert 0.03 < rejected / 1000 < 0.07
