"""Kind C: what was computed is kept, not its first digits."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.inference.evaluation import evaluate_scores
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.predict import predict
from iqa_zoo.jsonio import to_json
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.training.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("one_thread")


def _strict(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_predictions_on_a_scale_from_0_to_1_do_not_tie(tmp_path):
    scores = 0.5 + np.arange(12) * 1e-6
    paths = tuple(tmp_path / f"{i}.png" for i in range(12))
    data = RatedImages("dmos", paths, np.linspace(0, 1, 12), score_range=(0, 1), licence="", source="")
    found = evaluate_scores(scores, data, np.arange(12))
    assert list(found["predictions"].values()) == scores.tolist()
    again = _strict(to_json(found))["predictions"]
    assert srocc(list(again.values()), data.mos) == found["metrics"]["srocc"] == 1.0


@pytest.mark.slow
def test_predictions_survive_json_and_csv_to_the_last_bit(tiny, write_run, tmp_path, capsys):
    tiny["backbone"]["image_size"] = 32
    run = write_run(tmp_path / "run", tiny, spread=1e-3)
    root = tmp_path / "photos"
    root.mkdir()
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{i}.png")
    labels = rng.uniform(0, 1, 8)
    (root / "scores.csv").write_text("\n".join(["image,mos", *(f"{i}.png,{float(labels[i])!r}" for i in range(8))]))
    file = tmp_path / "s.csv"
    assert main(["evaluate", str(run), "--data", "table", "--root", str(root), "--json", "--csv", str(file)]) == 0
    found = _strict(capsys.readouterr().out)
    paths = tuple(root / f"{i}.png" for i in range(8))
    data = RatedImages("photos", paths, labels, score_range=(0, 1), licence="", source="")
    scorer, trained = load_run(run, "cpu")
    scores = predict(scorer, data, range(8), crops=trained.test_crops)
    assert [found["predictions"][name] for name in data.names] == scores.tolist()
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(float(row["score"]), float(row["mos"])) for row in rows] == list(zip(scores, labels, strict=True))
    assert len(set(scores.tolist())) == 8
    assert len({f"{score:.4f}" for score in scores}) < 8  # four digits would tie


def test_a_run_folder_holds_valid_json_where_a_metric_is_undefined(tmp_path):
    kept = RunFolder(tmp_path)
    kept.write("result", {"metrics": {"srocc": float("nan"), "rmse": 0.1 + 0.2}, "loss": [float("inf")]})
    assert _strict((tmp_path / "result.json").read_text()) == {
        "metrics": {"srocc": None, "rmse": 0.30000000000000004},
        "loss": [None],
    }


finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(values)
def test_json_reads_back_as_it_was_written(value):
    assert _strict(to_json(value)) == value


@pytest.mark.slow
@given(st.lists(st.floats() | st.tuples(st.floats())))
def test_json_has_null_where_there_is_no_number(value):
    for given_value, read in zip(value, _strict(to_json({"a": value}))["a"], strict=True):
        for number, kept in zip(
            *(each if isinstance(each, list | tuple) else [each] for each in (given_value, read)), strict=True
        ):
            assert kept == (number if np.isfinite(number) else None)
