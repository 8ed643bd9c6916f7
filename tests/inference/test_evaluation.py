"""Scores against labels: which are compared, in which direction, by which distortion."""

from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.inference.evaluation import FEWEST, evaluate_scores
from iqa_zoo.stats.metrics import METRICS, srocc


def rated(distortions=None, count=20):
    mos = np.random.default_rng(1).uniform(0, 100, count)
    return RatedImages(
        "made up",
        tuple(Path(f"{i}.png") for i in range(count)),
        mos,
        score_range=(0, 100),
        licence="",
        source="",
        distortions=distortions,
    )


def test_metrics_and_predictions_are_of_the_chosen_images():
    data, indices = rated(), np.array([3, 0, 11, 7, 19, 2])
    scores = np.random.default_rng(2).uniform(0, 100, 6)
    found = evaluate_scores(scores, data, indices)
    assert found["metrics"] == {name: metric(scores, data.mos[indices]) for name, metric in METRICS.items()}
    assert list(found["predictions"]) == [f"{i}.png" for i in indices]
    assert list(found["predictions"].values()) == pytest.approx(scores, abs=5e-5)
    assert "srocc_by_distortion" not in found


def test_the_other_direction_turns_the_correlations_and_not_the_predictions():
    data, indices = rated(), np.arange(20)
    scores = 100 - data.mos + np.random.default_rng(3).normal(0, 10, 20)
    same, turned = (evaluate_scores(scores, data, indices, same_direction=same) for same in (True, False))
    assert turned["metrics"]["srocc"] == pytest.approx(-same["metrics"]["srocc"])
    assert turned["metrics"]["srocc"] > 0.8
    assert turned["predictions"] == same["predictions"]


def test_by_distortion_where_there_are_enough():
    kinds = ("blur",) * 9 + ("noise",) * (FEWEST - 1) + ("jpeg",) * (11 - FEWEST + 1)
    data = rated(kinds)
    scores = np.random.default_rng(4).uniform(0, 100, 20)
    found = evaluate_scores(scores, data, np.arange(20))["srocc_by_distortion"]
    assert set(found) == {"blur", "jpeg"}
    assert found["blur"] == srocc(scores[:9], data.mos[:9])
    chosen = np.array([19, 0, 5, 8, 1, 3])
    picked = evaluate_scores(scores[chosen], data, chosen)["srocc_by_distortion"]
    assert picked == {"blur": srocc(scores[chosen[1:]], data.mos[chosen[1:]])}


def test_a_score_for_each_image():
    with pytest.raises(ValueError, match="shorter|longer|length|shape|inputs"):
        evaluate_scores(np.zeros(3), rated(), np.arange(4))
