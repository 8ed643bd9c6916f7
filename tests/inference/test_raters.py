"""What ratings say of models over several test parts, against sums over the splits by hand."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.inference.raters import ScoredPart, compare_spreads, summarize_raters
from iqa_zoo.jsonio import to_json
from iqa_zoo.stats.rater_agreement import STUDY_PAIRS, average_over_splits, measure_rater_agreement
from iqa_zoo.stats.ratings import Ratings


def rated(images=60, **known):
    mos = np.random.default_rng(0).uniform(1, 5, images)
    paths = tuple(Path(f"d/{i}.png") for i in range(images))
    return RatedImages("toy", paths, mos, score_range=(0, 6), licence="", source="", **known)


def with_ratings(images=60, **known):
    return rated(images, deviations=np.linspace(0.5, 1.5, images), ratings=20, ratings_note="as stated", **known)


def draw_scores(data, splits=4, size=20, models=("good", "bad")):
    """Scores of random test parts; the second model has more noise."""
    rng = np.random.default_rng(1)
    found = []
    for split in range(splits):
        part = rng.permutation(len(data))[:size]
        for number, model in enumerate(models):
            scores = data.mos[part] + rng.normal(0, 0.4 + 0.6 * number, size)
            found.append(ScoredPart(model, f"s{split}", {data.names[i]: s for i, s in zip(part, scores, strict=True)}))
    return found


def select(data, each):
    index = [data.names.index(name) for name in each.scores]
    return index, np.array(list(each.scores.values()))


def test_numbers_are_means_over_the_splits():
    data = with_ratings(references=[f"r{i % 6}" for i in range(60)])
    tested = draw_scores(data)
    found = summarize_raters(tested, data, test_train_ratio=0.5)
    assert (found["unknown"], found["splits"], found["fit"]) == ("", 4, False)
    assert found["counts"] == {"lowest": 20, "highest": 20, "median": 20.0, "note": "as stated"}
    assert list(found["models"]) == ["good", "bad"]
    assert found["ratings"]["pairs"]["mean"] == 190
    mine = []
    for each in tested:
        if each.model == "bad":
            index, scores = select(data, each)
            ratings = Ratings(data.mos[index], data.deviations[index], 20)
            groups = [data.references[i] for i in index]
            mine.append(measure_rater_agreement(scores, ratings.mos, ratings=ratings, groups=groups))
    for name in (
        "ordered",
        "auc_different",
        "auc_better",
        "outlier_ratio",
        "rmse_star",
        "mae",
        "ordered_within_groups",
    ):
        judge = average_over_splits([getattr(one, name) for one in mine], 0.5)
        row = found["models"]["bad"][name]
        assert (row["mean"], row["count"]) == (pytest.approx(judge.mean), 4)
        assert row["low"] == pytest.approx(max(judge.low, 0))
    raters = found["models"]["bad"]["equal_raters"]
    assert raters["median"] in [one.equal_raters for one in mine]
    assert raters["at_ceiling"] == 0
    good, bad = found["models"].values()
    assert good["ordered"]["mean"] > bad["ordered"]["mean"]
    assert good["equal_raters"]["median"] > raters["median"]


def test_spreads_are_compared_once_an_image_with_the_scores_of_its_first_split():
    data = rated()
    tested = draw_scores(data)
    (row,) = compare_spreads(tested, data)
    first = {}
    for each in tested:
        for name, score in each.scores.items():
            first.setdefault((each.model, name), score)
    names = sorted({name for _, name in first})
    a, b = (
        np.array([first[model, name] - data.mos[data.names.index(name)] for name in names]) for model in ("good", "bad")
    )
    judge = scipy.stats.pearsonr(a + b, a - b)
    assert (row["first"], row["second"], row["images"]) == ("good", "bad", len(names))
    assert 20 < len(names) < 60
    assert row["p"] == row["p_holm"] == pytest.approx(judge.pvalue)
    assert (row["variance_a"], row["variance_b"]) == pytest.approx((a.var(ddof=1), b.var(ddof=1)))
    assert row["t"] < 0


def test_p_values_of_several_pairs_are_adjusted():
    data = rated()
    rows = compare_spreads(draw_scores(data, models=("a", "b", "c")), data)
    assert [(row["first"], row["second"]) for row in rows] == [("a", "b"), ("a", "c"), ("b", "c")]
    least = min(rows, key=lambda row: row["p"])
    assert least["p_holm"] == pytest.approx(min(1, 3 * least["p"]))


def test_models_that_share_no_split_are_not_compared():
    data = rated()
    tested = [each for each in draw_scores(data, splits=2) if (each.model == "good") == (each.split == "s0")]
    assert compare_spreads(tested, data) == []
    assert set(summarize_raters(tested, data)["models"]) == {"good", "bad"}


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ({}, "toy: the standard deviation and the number of the ratings of an image are not known"),
        (dict(ratings=20), "toy: the standard deviation of the ratings of an image is not known"),
        (dict(deviations=np.zeros(60), ratings=20), "toy: all deviations of ratings are 0"),
        (dict(deviations=np.ones(60), ratings=1), "toy: 0.png has 1 rating"),
    ],
)
def test_where_the_noise_is_not_known_errors_are_still_computed(known, unknown):
    data = rated(**known)
    found = summarize_raters(draw_scores(data), data, test_train_ratio=0.5)
    assert found["unknown"].startswith(unknown)
    assert found["ratings"] == {}
    good = found["models"]["good"]
    assert good["mae"]["mean"] == pytest.approx(0.32, abs=0.1)  # .4 sqrt(2 / pi)
    assert math.isnan(good["ordered"]["mean"])
    assert len(found["spreads"]) == 1


def draw_scores_of_another_scale_have_no_spread_of_errors():
    data = with_ratings()
    tested = [
        ScoredPart(e.model, e.split, {k: 100 * v for k, v in e.scores.items()}) for e in draw_scores(data, splits=1)
    ]
    found = summarize_raters(tested, data, fit=True)
    assert found["spreads"] == []
    assert found["models"]["good"]["mae"]["mean"] < 1
    assert math.isnan(found["models"]["good"]["mae"]["low"])  # one split


def test_a_constant_model_and_json():
    data = with_ratings()
    tested = [
        ScoredPart("one", "s", dict.fromkeys(data.names, 3.0)),
        ScoredPart("true", "s", dict(zip(data.names, data.mos, strict=True))),
    ]
    found = summarize_raters(tested, data)
    assert math.isnan(found["models"]["one"]["ordered"]["mean"])
    assert found["models"]["true"]["equal_raters"] == {
        "median": math.inf,
        "q1": math.inf,
        "q3": math.inf,
        "at_ceiling": 1,
        "undefined": 0,
    }
    assert found["models"]["one"]["equal_raters"]["undefined"] == 1
    assert {model: row["splits"] for model, row in found["models"].items()} == {"one": 1, "true": 1}
    assert '"at_ceiling": 1' in to_json(found)


@pytest.mark.slow
def test_a_large_test_part_takes_seconds():
    data = with_ratings(2000)
    tested = draw_scores(data, splits=2, size=2000, models=("a", "b", "c"))
    start = time.process_time()
    found = summarize_raters(tested, data, test_train_ratio=0.25)
    assert time.process_time() - start < 10
    assert found["ratings"]["pairs"]["mean"] == STUDY_PAIRS
