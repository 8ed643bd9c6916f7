"""Which images a run is evaluated on, and what the evaluation says of given scores."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, make_splits, save_splits
from iqa_zoo.errors import InputError
from iqa_zoo.inference import evaluate_run as module
from iqa_zoo.inference.evaluate_run import FEWEST_CONTENTS, ChosenImages, choose_images, evaluate_run
from iqa_zoo.inference.run import TrainedOn, TrainedRun
from iqa_zoo.stats.metrics import METRICS


def rated(name="set", count=20, **changes):
    """Images that do not exist, of ``count / 2`` contents, with labels from 0 upwards."""
    values = dict(references=tuple(f"r{i // 2}" for i in range(count)), score_range=(0, 100), licence="", source="")
    paths = tuple(Path(f"{name}/{i}.png") for i in range(count))
    return RatedImages(name, paths, np.arange(count, dtype=float), **{**values, **changes})


@pytest.fixture
def data():
    return rated()


@pytest.fixture
def split(data):
    return make_splits(data, 1, validation_fraction=0.25)[0]


@pytest.fixture
def trained(data, split, tmp_path):
    """A run on ``set`` whose folder has its split only."""
    save_splits(tmp_path / "split.json", data, [split])
    on = TrainedOn("set", "MOS", (0, 100), True)
    return TrainedRun(tmp_path, {}, "a", on, split.id, "last", 0, None, "quick", 3, 50.0, 20.0)


@pytest.fixture
def evaluate(trained, monkeypatch):
    """Evaluate a run whose model gives the scores of a table by position."""

    def call(table, data, indices, *, own=None, part="all"):
        given = {}

        def predict(scorer, images_of, chosen, *, crops, images, progress):
            given.update(crops=crops, names=[images_of.names[i] for i in chosen])
            images.notes["1.png"] = "enlarged from 9x9"
            return np.asarray(table, dtype=float)[chosen]

        monkeypatch.setattr(module, "predict", predict)
        scorer = SimpleNamespace(model=SimpleNamespace(spec=SimpleNamespace(image_size=32, view="crops")))
        chosen = ChosenImages(part, own, own, np.asarray(indices))
        evaluation = evaluate_run(scorer, trained, data, chosen, 7, ["a warning"])
        assert given == {"crops": 7, "names": [data.names[i] for i in indices]}
        return evaluation

    return call


# --- which images ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "chosen"), [(None, "test"), ("validation", "validation"), ("train", "train")])
def test_a_part_of_the_training_s_own_split(part, chosen, trained, data, split):
    found = choose_images(trained, data, part)
    assert (found.part, found.split.id, found.own.id) == (chosen, split.id, split.id)
    assert found.indices.tolist() == getattr(split, chosen).tolist()


def test_all_images_of_its_own_dataset(trained, data, split):
    found = choose_images(trained, data, "all")
    assert (found.part, found.own.id, found.indices.tolist()) == ("all", split.id, list(range(20)))


def test_all_images_of_another_dataset(trained):
    found = choose_images(trained, rated("other", 6))
    assert (found.part, found.split, found.own, found.indices.tolist()) == ("all", None, None, list(range(6)))


def test_a_split_file_is_used_instead_of_the_own_split(trained, data, split, tmp_path):
    others = make_splits(data, 2, seed=5)
    save_splits(tmp_path / "others.json", data, others)
    found = choose_images(trained, data, split_file=tmp_path / "others.json", number=2)
    assert (found.part, found.split.id, found.own.id) == ("test", others[1].id, split.id)
    assert found.indices.tolist() == others[1].test.tolist()


def test_a_split_file_of_another_dataset(trained, tmp_path):
    other = rated("other")
    (own,) = make_splits(other, 1, seed=5)
    save_splits(tmp_path / "other.json", other, [own])
    found = choose_images(trained, other, split_file=tmp_path / "other.json")
    assert (found.part, found.own, found.indices.tolist()) == ("test", None, own.test.tolist())


@pytest.mark.parametrize("part", ["test", "validation", "train"])
def test_another_dataset_has_no_parts_without_a_split_file(part, trained):
    with pytest.raises(InputError, match=f"--part {part}: the model was trained on another dataset.*--split-file FILE"):
        choose_images(trained, rated("other"), part)


def test_an_empty_part_is_named_with_its_split(trained, data, tmp_path):
    (whole,) = make_splits(data, 1)
    save_splits(tmp_path / "whole.json", data, [whole])
    with pytest.raises(InputError, match=f"set: the validation part of split {whole.id} is empty"):
        choose_images(trained, data, "validation", tmp_path / "whole.json")


def test_other_images_under_the_name_of_the_dataset_are_refused(trained):
    with pytest.raises(InputError, match="trained on a dataset called set, and these images are not.*name=NAME"):
        choose_images(trained, rated(count=18), "all")


# --- what of given scores --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_metrics_are_of_the_chosen_images_alone(evaluate, data):
    scores = np.random.default_rng(0).uniform(0, 100, 20)
    indices = [1, 4, 5, 9, 12, 17]
    values = evaluate(scores, data, indices, own=split_of("s7"), part="test").values
    assert values["metrics"] == {name: metric(scores[indices], data.mos[indices]) for name, metric in METRICS.items()}
    assert values["predictions"] == {f"{i}.png": scores[i] for i in indices}
    assert (values["part"], values["split"], values["images"], values["crops"]) == ("test", "s7", 6, 7)
    assert (values["trained_on"], values["dataset"], values["recipe"]) == ("set", "set", "quick")
    assert (values["image_size"], values["warnings"]) == (32, ["a warning"])
    assert values["enlarged"] == {"1.png": "enlarged from 9x9"}
    assert not values["undefined"]


def split_of(name):
    return Split(np.arange(10), np.arange(10, 20), np.arange(0), name)


@pytest.mark.slow
def test_images_that_were_not_chosen_are_not_listed_as_enlarged(evaluate, data):
    assert evaluate(data.mos, data, range(2, 20)).values["enlarged"] == {}


@pytest.mark.slow
def test_labels_that_run_the_other_way_turn_the_correlations(evaluate):
    """Scores that fall as DMOS rises are right; scores are kept as the model gives them."""
    other = rated("other", label="DMOS", higher_is_better=False)
    values = evaluate(100 - other.mos, other, range(20)).values
    assert values["metrics"]["srocc"] == pytest.approx(1)
    assert values["predictions"]["3.png"] == 97
    interval = values["srocc_interval"]
    assert (interval["low"], interval["high"]) == pytest.approx((1, 1))
    assert values["direction"].endswith(
        "lower is better in the labels (DMOS): the scores were turned (negated) before they were compared"
    )


@pytest.mark.slow
def test_an_error_on_the_scale_of_another_dataset_is_left_out(evaluate, data):
    scores = np.random.default_rng(0).uniform(0, 100, 20)
    assert "rmse" not in evaluate(scores, rated("other"), range(20)).values["metrics"]
    assert "rmse" in evaluate(scores, data, range(20), own=split_of("s")).values["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("references", "of", "count"), [(True, "contents", 10), (False, "images", 20)], ids=["contents", "images"]
)
def test_the_interval_resamples_contents_where_they_are_known(references, of, count, evaluate, data):
    data = data if references else replace(data, references=None)
    scores = data.mos + np.random.default_rng(0).normal(0, 8, 20)
    values = evaluate(scores, data, range(20)).values
    interval = values["srocc_interval"]
    assert (interval["of"], interval["count"], interval["confidence"]) == (of, count, 0.95)
    assert interval["low"] < values["metrics"]["srocc"] < interval["high"]


@pytest.mark.slow
@pytest.mark.parametrize("contents", [FEWEST_CONTENTS - 1, FEWEST_CONTENTS])
def test_too_few_contents_have_no_interval(contents, evaluate, data):
    interval = evaluate(data.mos, data, range(2 * contents)).values["srocc_interval"]
    assert (interval is None) == (contents < FEWEST_CONTENTS)


def test_equal_scores_are_undefined_and_have_no_interval(evaluate, data):
    values = evaluate(np.full(20, 3.0), data, range(20)).values
    assert values["undefined"]
    assert values["srocc_interval"] is None
    assert math.isnan(values["metrics"]["srocc"])


def test_the_csv_has_label_and_score_of_each_chosen_image(evaluate, data):
    text = evaluate(data.mos / 4, data, [7, 2, 11, 3, 5]).format_csv()
    assert text.splitlines()[:2] == ["image,mos,score", "7.png,7.0,1.75"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["image"] for row in rows] == ["7.png", "2.png", "11.png", "3.png", "5.png"]
    assert [float(row["score"]) for row in rows] == [1.75, 0.5, 2.75, 0.75, 1.25]
