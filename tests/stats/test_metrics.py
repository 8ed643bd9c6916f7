import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iqa_zoo.errors import InputError
from iqa_zoo.stats import metrics
from iqa_zoo.stats.metrics import (
    METRICS,
    fit_logistic4,
    krocc,
    logistic4,
    mae,
    plcc,
    plcc_logistic4,
    rmse,
    rmse_logistic4,
    srocc,
)

JUDGES = {srocc: scipy.stats.spearmanr, krocc: scipy.stats.kendalltau, plcc: scipy.stats.pearsonr}
CORRELATIONS = [*JUDGES, plcc_logistic4]


def noisy(count=60, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=count)
    return quality + noise * rng.normal(size=count), 50 + 20 * np.tanh(quality)


# Whole numbers in a small range: ties are common.
pairs = st.integers(3, 30).flatmap(
    lambda count: st.tuples(*[st.lists(st.integers(-4, 4), min_size=count, max_size=count)] * 2)
)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(pairs)
def test_scipy_agrees_with_ties(pair):
    scores, mos = map(np.array, pair)
    assume(np.ptp(scores) and np.ptp(mos))
    for ours, theirs in JUDGES.items():
        assert ours(scores, mos) == pytest.approx(theirs(scores, mos).statistic, abs=1e-12)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(pairs)
def test_reversal_turns_the_sign_and_order_does_not_matter(pair):
    scores, mos = map(np.array, pair)
    for metric in JUDGES:
        value = metric(scores, mos)
        assert metric(-scores, mos) == pytest.approx(-value, nan_ok=True, abs=1e-12)
        assert metric(mos, scores) == pytest.approx(value, nan_ok=True, abs=1e-12)
        assert metric(scores[::-1], mos[::-1]) == pytest.approx(value, nan_ok=True, abs=1e-12)


def test_hand_computed():
    # Ranks 1 2.5 2.5 4 against 1 2 3 4: 1 - 6 * 0.5 / 60 would ignore the tie; Pearson of ranks is 4.5 / sqrt(4.5 * 5).
    assert srocc([10, 20, 20, 30], [1, 2, 3, 4]) == pytest.approx(np.sqrt(0.9))
    # Five of six pairs agree, one is tied in the scores: 5 / sqrt(5 * 6).
    assert krocc([10, 20, 20, 30], [1, 2, 3, 4]) == pytest.approx(5 / np.sqrt(30))
    assert rmse([1, 2, 3, 4], [1, 2, 3, 8]) == pytest.approx(2)


def test_rank_correlations_survive_any_monotonic_map():
    scores, mos = noisy()
    assert srocc(np.exp(3 * scores), mos) == pytest.approx(srocc(scores, mos))
    assert krocc(np.exp(3 * scores), mos) == pytest.approx(krocc(scores, mos))


@pytest.mark.parametrize("factor", [1e-200, 1e-9, 1e9, 1e200])
def test_scale_does_not_matter(factor):
    scores, mos = noisy()
    for metric in JUDGES:
        assert metric(factor * scores, mos) == pytest.approx(metric(scores, mos))


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_constants_have_no_correlation(metric):
    mos = np.arange(10.0)
    assert np.isnan(metric(np.full(10, 0.3), mos))
    assert np.isnan(metric(mos, np.full(10, 0.3)))
    almost = np.full(10, 0.3) + 1e-16 * mos
    assert np.isnan(metric(almost, mos))


def test_constant_scores_have_the_error_of_the_best_constant():
    mos = np.arange(10.0)
    assert rmse_logistic4(np.full(10, 3.0), mos) == pytest.approx(mos.std())


@pytest.mark.parametrize("metric", METRICS.values())
@pytest.mark.parametrize(
    ("scores", "mos", "message"),
    [
        ([1, 2, np.nan, 4, 5, 6], [1, 2, 3, 4, 5, 6], "score of image 2 is nan"),
        ([1, 2, 3, 4, 5, 6], [1, 2, 3, np.inf, 5, 6], "label of image 3 is inf"),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6], r"shape \(5,\) and labels of shape \(6,\)"),
        ([[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 5, 6]], "one of each to every image"),
        ([1, 2], [1, 2], "2 images; this needs at least"),
        ([], [], "0 images"),
    ],
)
def test_bad_input_is_refused(metric, scores, mos, message):
    with pytest.raises(InputError, match=message):
        metric(scores, mos)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(-100, 100), st.floats(1, 100), st.floats(-3, 3), st.floats(0.3, 2), st.sampled_from([1e-3, 1.0, 1e4]))
def test_logistic4_is_recovered(bottom, height, middle, width, scale):
    x = np.linspace(-5, 5, 40)
    truth = np.array([bottom + height, bottom, scale * middle, scale * width])
    found = fit_logistic4(scale * x, logistic4(scale * x, truth))
    assert found == pytest.approx(truth, rel=1e-3, abs=1e-3 * max(height, scale))


def test_logistic_curves_by_hand():
    assert logistic4(3.0, [80, 20, 3, 1]) == pytest.approx(50)
    assert logistic4(4.0, [80, 20, 3, -1]) == pytest.approx(20 + 60 / (1 + np.exp(-1)))


def test_fit_is_the_least_squares_one():
    scores, mos = noisy(200)
    fitted = ((logistic4(scores, fit_logistic4(scores, mos)) - mos) ** 2).sum()
    found, _ = scipy.optimize.curve_fit(
        lambda x, a, b, c, d: a / (1 + np.exp(-(x - c) / d)) + b, scores, mos, p0=[40, 30, 0, 1]
    )
    judged = ((found[0] / (1 + np.exp(-(scores - found[2]) / found[3])) + found[1] - mos) ** 2).sum()
    assert fitted == pytest.approx(judged, rel=1e-6)


def test_a_prediction_is_fitted_once_for_all_its_metrics(monkeypatch):
    fits, fit = [], metrics.least_squares
    monkeypatch.setattr(metrics, "least_squares", lambda *given, **named: fits.append(1) or fit(*given, **named))
    scores, mos = noisy(50, seed=11)
    parameters = fit_logistic4(scores, mos)
    once = len(fits)
    expected = parameters.copy()
    parameters[:] = 0  # the caller's own
    assert plcc_logistic4(scores, mos) == pytest.approx(plcc(logistic4(scores, expected), mos), abs=1e-12)
    assert rmse_logistic4(scores, mos) == rmse(logistic4(scores, expected), mos)
    assert len(fits) == once
    fit_logistic4(scores, mos + 1)
    fit_logistic4(scores + 1, mos)
    assert len(fits) == 3 * once


@pytest.mark.parametrize("seed", range(5))
def test_a_fit_does_not_lose_to_the_raw_scores(seed):
    scores, mos = noisy(80, seed)
    raw = plcc(scores, mos)
    assert plcc_logistic4(scores, mos) > raw - 1e-6
    assert rmse_logistic4(scores, mos) <= mos.std() * np.sqrt(1 - raw**2) + 1e-6
    assert plcc_logistic4(100 - 7 * scores, mos) == pytest.approx(plcc_logistic4(scores, mos), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("mos", [3 * np.arange(20.0) + 1, (np.arange(20) > 9) * 1.0, np.exp(np.arange(20.0))])
def test_extreme_relations_are_fitted_quietly(mos):
    assert plcc_logistic4(np.arange(20.0), mos) > 0.999


def test_too_few_images_for_a_fit():
    with pytest.raises(InputError, match="4 images; this needs at least 5"):
        plcc_logistic4([1, 2, 3, 4], [1, 2, 3, 4])
    with pytest.raises(InputError, match="all scores are the same"):
        fit_logistic4([1] * 5, [1, 2, 3, 4, 5])


def test_mae_by_hand():
    assert mae([1.0, 2.5, 3.0], [1.0, 2.0, 5.0]) == pytest.approx(2.5 / 3)
    assert mae([3, 2, 1], [3, 2, 1]) == 0
    with pytest.raises(InputError, match="label of image 1"):
        mae([1, 2, 3], [1, np.nan, 3])
