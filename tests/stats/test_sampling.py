"""The error of sampling test images: weighted SROCC against repeated images, the jackknife against its definition."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats import sampling
from iqa_zoo.stats.sampling import SamplingError, compute_sampling_se, measure_weighted_sroccs


def draw_splits(images, splits, tested, seed=0, noises=(0.5, 0.6)):
    rng = np.random.default_rng(seed)
    mos = {f"{i}.png": float(rng.normal()) for i in range(images)}
    parts = [rng.permutation(list(mos))[:tested].tolist() for _ in range(splits)]
    a, b = ([{name: mos[name] + noise * rng.normal() for name in part} for part in parts] for noise in noises)
    return a, b, mos


def measure_mean(a, b, mos, left_out=()):
    differences = []
    for scores_a, scores_b in zip(a, b, strict=True):
        names = [name for name in scores_a if name not in left_out]
        labels = [mos[name] for name in names]
        of_a, of_b = (
            scipy.stats.spearmanr([s[name] for name in names], labels).statistic for s in (scores_a, scores_b)
        )
        differences.append(of_a - of_b)
    return float(np.mean(differences))


def test_weighted_srocc_is_that_of_repeated_images():
    rng = np.random.default_rng(0)
    scores, mos = rng.integers(0, 6, 15).astype(float), rng.integers(0, 6, 15).astype(float)  # with equal values
    weights = rng.integers(0, 4, (20, 15)).astype(float)
    found = measure_weighted_sroccs([scores, mos], mos, weights)
    for row, weight in enumerate(weights):
        repeated = np.repeat(np.arange(15), weight.astype(int))
        assert found[0][row] == pytest.approx(scipy.stats.spearmanr(scores[repeated], mos[repeated]).statistic)
    assert found[1] == pytest.approx(1)
    assert np.isnan(measure_weighted_sroccs([np.ones(15)], mos, weights)[0]).all()


@pytest.mark.slow
def test_the_variance_is_that_of_efron_and_stein():
    a, b, mos = draw_splits(20, 3, 8)
    names = sorted({name for part in a for name in part})
    whole = measure_mean(a, b, mos)
    one = {name: measure_mean(a, b, mos, {name}) - whole for name in names}
    two = [
        measure_mean(a, b, mos, {i, k}) - whole - one[i] - one[k]
        for i, k in itertools.combinations(names, 2)
        if any(i in part and k in part for part in a)  # else 0: no split has both
    ]
    first, second = sum(x**2 for x in one.values()), sum(x**2 for x in two)
    found = compute_sampling_se(a, b, mos)
    assert found.se**2 == pytest.approx(max(first - second, first / 2))
    assert found.images == len(names)


def test_the_same_test_images_leave_no_spread_and_an_image_alone_counts_as_a_content():
    a, b, mos = draw_splits(30, 1, 30)
    one = compute_sampling_se(a, b, mos)
    three = compute_sampling_se(a * 3, b * 3, mos)
    assert three.se == pytest.approx(one.se)
    assert three.spread == pytest.approx(0, abs=1e-9)
    assert math.isnan(one.spread)
    alone = compute_sampling_se(a, b, mos, groups={name: name for name in mos})
    assert alone.se == pytest.approx(one.se)


def test_images_of_one_content_count_less():
    # Each image four times with nearly the same scores: the error is that of the contents, about twice that of the images.
    a, b, mos = draw_splits(40, 1, 40)
    rng = np.random.default_rng(1)
    copies = [
        {f"{name}/{k}": score + 1e-6 * rng.normal() for name, score in part.items() for k in range(4)}
        for part in (a[0], b[0])
    ]
    labels = {f"{name}/{k}": value for name, value in mos.items() for k in range(4)}
    groups = {name: name.split("/")[0] for name in labels}
    contents = compute_sampling_se([copies[0]], [copies[1]], labels, groups=groups)
    images = compute_sampling_se([copies[0]], [copies[1]], labels)
    assert contents.se == pytest.approx(compute_sampling_se(a, b, mos).se, rel=0.1)
    assert contents.se / images.se == pytest.approx(2, rel=0.2)


@pytest.mark.slow
def test_many_images_are_deleted_in_blocks(monkeypatch):
    a, b, mos = draw_splits(900, 4, 180)
    exact = compute_sampling_se(a, b, mos)
    monkeypatch.setattr(sampling, "MAX_BLOCKS", 1000)
    monkeypatch.setattr(sampling, "PAIRS", 20000)
    every = compute_sampling_se(a, b, mos)
    assert exact.se == pytest.approx(every.se, rel=0.25)
    assert exact.spread == pytest.approx(every.spread, rel=0.25)


def test_the_same_model_twice_has_no_error():
    a, _, mos = draw_splits(40, 3, 15)
    found = compute_sampling_se(a, a, mos)
    assert (found.se, found.spread) == (0, 0)


@pytest.mark.slow
def test_it_is_the_error_of_fixed_models_on_new_images():
    # Two models that do not change, on 200 new sets of 100 images: the mean variance is that of the differences.
    rng = np.random.default_rng(0)
    differences, variances = [], []
    for seed in range(200):
        a, b, mos = draw_splits(100, 1, 100, seed=int(rng.integers(1 << 30)) + seed)
        differences.append(measure_mean(a, b, mos))
        variances.append(compute_sampling_se(a, b, mos).se ** 2)
    assert np.mean(variances) == pytest.approx(np.var(differences), rel=0.25)


def test_refuses():
    a, b, mos = draw_splits(30, 2, 10)
    with pytest.raises(InputError, match="2 and 1 splits"):
        compute_sampling_se(a, b[:1], mos)
    with pytest.raises(InputError, match="not every model has a prediction for"):
        compute_sampling_se(a, [b[0], {**b[1], "other.png": 1.0}], mos)
    with pytest.raises(InputError, match="split 0: 10 images have no label"):
        compute_sampling_se(a, b, {})
    with pytest.raises(InputError, match="split 1, second model: all scores are equal"):
        compute_sampling_se(a, [b[0], dict.fromkeys(b[1], 3.0)], mos)
    with pytest.raises(InputError, match="split 0, first model: the score of image 0 is nan"):
        compute_sampling_se([dict.fromkeys(a[0], math.nan), a[1]], b, mos)
    with pytest.raises(InputError, match="images have no content"):
        compute_sampling_se(a, b, mos, groups={})
    with pytest.raises(InputError, match="2 contents; at least 4"):
        compute_sampling_se(a, b, mos, groups={name: str(i % 2) for i, name in enumerate(mos)})
    first = next(iter(a[0]))
    with pytest.raises(InputError, match="only with a certain image"):
        compute_sampling_se([{name: float(name == first) for name in a[0]}, a[1]], b, mos)
    with pytest.raises(InputError, match="sampling error of inf"):
        SamplingError(math.inf)
