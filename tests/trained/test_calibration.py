"""Intervals hold the share of ratings that they state, are wider for unusual images, and never see the images they are tested on."""

import numpy as np
import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.trained.calibration import (
    LEAST_SLOPE,
    Calibration,
    HeldOut,
    find_word,
    fit_calibration,
    measure_coverage,
)


def draw(images=1000, splits=10, seed=0, rise=1.0, noise=5.0):
    """Predictions whose error has a spread that rises with the distance."""
    rng = np.random.default_rng(seed)
    mos = rng.uniform(0, 100, images)
    distance = np.sqrt(rng.chisquare(20, images) / 20)
    spread = noise * (1 + rise * np.maximum(0, distance / np.median(distance) - 1))
    predictions = mos + rng.normal(size=images) * spread
    parts = [rng.choice(images, images // 5, replace=False) for _ in range(splits)]
    return [HeldOut(part, predictions[part], distance[part]) for part in parts], mos


@pytest.mark.parametrize("coverage", [0.5, 0.9])
@pytest.mark.parametrize("rise", [0.0, 5.0])
def test_the_stated_share_of_held_out_ratings_is_inside(coverage, rise):
    held_out, mos = draw(rise=rise)
    assert abs(measure_coverage(held_out, mos, coverage=coverage) - coverage) < 0.03
    calibration = fit_calibration(held_out, mos, coverage=coverage)
    (fresh,), labels = draw(splits=1, seed=1, rise=rise)
    inside = np.abs(labels[fresh.images] - fresh.predictions) <= calibration.compute_half_width(fresh.distances)
    assert abs(inside.mean() - coverage) < 0.1


def test_the_coverage_of_a_split_is_measured_without_its_images():
    """Where the images of one split are off by far, calibration on the others does not know."""
    mos = np.full(100, 50.0)
    parts = [np.arange(0, 50), np.arange(50, 100)]
    errors = np.where(np.arange(100) < 50, 1.0, 9.0)
    held_out = [HeldOut(part, mos[part] + errors[part], np.ones(50)) for part in parts]
    assert measure_coverage(held_out, mos) == 0.5


def test_intervals_are_wider_for_unusual_images_whatever_the_residuals_say():
    held_out, mos = draw(rise=0.0)
    calibration = fit_calibration(held_out, mos)
    at = calibration.compute_half_width([0.5, 1, 2, 4] * np.array(calibration.median_distance))
    assert at[0] == at[1] < at[2] < at[3]
    assert at[2] / at[1] >= 1 + LEAST_SLOPE - 1e-9
    steep = fit_calibration(draw(rise=5.0)[0], mos)
    assert steep.slope > 2 > calibration.slope


def test_the_quantile_is_that_of_conformal_prediction():
    """Of 19 residuals 1..19 the 18th is the least that covers 90 % of 20 exchangeable ones."""
    mos = np.zeros(19)
    held_out = [HeldOut(np.arange(19), np.arange(1.0, 20.0), np.ones(19))]
    assert fit_calibration(held_out, mos, coverage=0.9).quantile == 18


def test_too_few_images():
    with pytest.raises(InputError, match="8 held-out images are too few for intervals of 90%; give at least 9"):
        fit_calibration([HeldOut(np.arange(8), np.zeros(8), np.ones(8))], np.zeros(8))
    with pytest.raises(InputError, match="at least two splits"):
        measure_coverage([HeldOut(np.arange(8), np.zeros(8), np.ones(8))], np.zeros(8))


def test_a_percentile_is_the_share_of_photographs_of_lower_quality():
    mos = np.concatenate([np.full(50, 20.0), np.linspace(20, 80, 50)])
    calibration = fit_calibration([HeldOut(np.arange(100), mos + 1, np.ones(100))], mos)
    assert (calibration.ratings[0], calibration.ratings[-1], len(calibration.ratings)) == (20, 80, 101)
    assert calibration.compute_percentile(90) == 100
    assert calibration.compute_percentile(10) == 0
    assert calibration.compute_percentile(50) == pytest.approx(75, abs=1)
    assert calibration.compute_percentile(50, higher_is_better=False) == pytest.approx(25, abs=1)


@pytest.mark.parametrize(
    ("score", "word"), [(-5, "bad"), (19.9, "bad"), (20, "poor"), (50, "fair"), (79.9, "good"), (100, "excellent")]
)
def test_a_word_is_a_fifth_of_the_scale(score, word):
    assert find_word(score, (0, 100)) == word
    assert find_word(1 + score / 25, (1, 5)) == word


def test_a_score_of_distortion_has_the_words_turned():
    assert [find_word(score, (0, 100), higher_is_better=False) for score in (0, 50, 100)] == [
        "excellent",
        "fair",
        "bad",
    ]


def test_the_median_image_has_the_quantile_as_half_width():
    assert Calibration(0.9, 7.0, 2.0, 1.0, 3.0, (0.0, 1.0)).compute_half_width([1, 2, 4]).tolist() == [7, 7, 14]
