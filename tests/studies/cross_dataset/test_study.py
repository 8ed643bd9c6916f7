"""cross_dataset.py as a user runs it, and its interval for data sets that were not trained on."""

import json
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.engine.metrics import srocc


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("cross_dataset")


def test_the_whole_study(noise_folder, run_study, script, monkeypatch):
    first = run_study(
        "cross_dataset.py", noise_folder, "gcn.yaml", "attention.json", "--data", "table=photos", "--data",
        "table=others,higher_is_better=false", "--data", "livec=nowhere", "--out", "cross", "--json", "c.json", "--markdown", "c.md",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    results = json.loads((noise_folder / "c.json").read_text())
    assert [(data["name"], data["higher_is_better"]) for data in results["datasets"]] == [
        ("photos", True),
        ("others", False),
    ]
    assert [row["dataset"] for row in results["skipped"]] == ["livec"]
    assert results["leaks"] == [{"first": "photos", "second": "others", "images": 1}]
    assert len(results["runs"]) == 2 * 2 * 2 * 3  # splits, trained on, tested on, models
    assert len(results["rows"]) == 4 * 3
    assert len(results["differences"]) == 4 * 3
    assert all(("predictions" in run) == (run["train"] == run["test"]) for run in results["runs"])
    # Noise is worse in one and rated higher in the other: the probe learns it, so that a wrong sign would show.
    probe = {(r["train"], r["test"]): r["srocc"]["median"] for r in results["rows"] if r["model"] == "linear_probe"}
    assert all((probe[train, "photos"] > 0) == (probe[train, "others"] > 0) for train in ("photos", "others"))
    text = (noise_folder / "c.md").read_text()
    assert "LEAK: photos and others share images (1" in text
    assert "there is no nowhere" in text
    for name in ("matrix_gcn.png", "matrix_linear_probe.svg", "differences.png"):
        assert (noise_folder / "cross" / name).is_file()
    monkeypatch.chdir(noise_folder)
    assert script.main(["--from", "cross", "--markdown", "again.md"]) == 0
    assert (noise_folder / "again.md").read_text() == text


@pytest.fixture
def data():
    mos = np.random.default_rng(0).normal(size=80)
    paths = tuple(Path(f"{i}.png") for i in range(80))
    return RatedImages("toy", paths, mos, score_range=(-9, 9), licence="CC0", source="made up")


def scores(data, noise, splits, seed=1):
    return data.mos + noise * np.random.default_rng(seed).normal(size=(splits, len(data)))


def test_the_interval_knows_of_the_trainings_and_of_the_test_images(script, data):
    a, b = scores(data, 0.5, 5), scores(data, 0.9, 5, seed=2)
    difference, wins, _ = script.difference_elsewhere(a, b, data, 0.25)
    gaps = [srocc(x, data.mos) - srocc(y, data.mos) for x, y in zip(a, b, strict=True)]
    assert difference.mean == pytest.approx(np.mean(gaps))
    assert wins == sum(gap > 0 for gap in gaps)
    assert difference.low < difference.mean < difference.high
    same = (
        np.repeat(a[:1], 5, 0),
        np.repeat(b[:1], 5, 0),
    )  # trainings that do not differ leave the choice of test images
    assert script.difference_elsewhere(*same, data, 0.25)[0].low < np.mean(gaps[0])
    # The two models turned round give the interval turned round.
    other, *_ = script.difference_elsewhere(b, a, data, 0.25)
    assert (other.low, other.high, other.p) == pytest.approx((-difference.high, -difference.low, difference.p))


def test_a_model_against_itself_ties_and_one_split_is_enough(script, data):
    a = scores(data, 0.5, 3)
    difference, wins, defined = script.difference_elsewhere(a, a, data, 0.25)
    assert (difference.mean, difference.p, difference.is_tie, wins, defined) == (0, 1, True, 0, 3)
    one, *_ = script.difference_elsewhere(a[:1], scores(data, 3, 1, seed=5), data, 0.25)
    assert one.low > 0


def test_trainings_that_give_one_score_for_all_images_are_left_out(script, data):
    a, b = scores(data, 0.5, 4), scores(data, 0.9, 4, seed=2)
    a[1], b[3] = 0, 5
    some = script.difference_elsewhere(a, b, data, 0.25)
    assert some == script.difference_elsewhere(a[[0, 2]], b[[0, 2]], data, 0.25)
    assert some[2] == 2
    none, wins, defined = script.difference_elsewhere(np.zeros_like(a), b, data, 0.25)
    assert (none.is_defined, none.is_tie, wins, defined) == (False, False, 0, 0)


def test_what_data_says(script):
    assert script.source("demo") == script.Source("demo", None)
    assert script.source("table=a/b=c") == script.Source("table", Path("a/b=c"))
    given = script.source("table=a,score_range=[0, 5],higher_is_better=false")
    assert given.options == (("score_range", "[0, 5]"), ("higher_is_better", "false"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "two datasets"), (["--data", "demo"], "two datasets"), (["--data", "=x", "--data", "demo"], "NAME=ROOT")],
)
def test_usage_errors(script, arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(arguments)
    assert stopped.value.code == 2
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "livec", "--data", "livec=here"], "livec=ROOT"),
        (["--data", "lvec=a", "--data", "livec=b"], "did you mean 'livec'"),
        (["--data", "livec=a", "--data", "bid=b"], "0 datasets are there"),
    ],
)
def test_data_that_cannot_be_used(script, arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert script.main(["deiqt", *arguments]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_trainings_that_failed_have_no_differences(script, data):
    failed = [dict(model=model, split="s", error="ValueError: the loss is nan", trace="") for model in ("a", "b")]
    assert script.differences_from("x", failed, {"x": data, "y": data}, 0.25) == []
