"""iqa-zoo cross-dataset as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.cli import main
from iqa_zoo.data.loading import DataSource
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.studies.cross_dataset.cells import compare_models
from iqa_zoo.studies.cross_dataset.study import parse_source


def test_the_whole_study(noise_folder, run_study, monkeypatch):
    first = run_study(
        "cross-dataset", noise_folder, "gcn.yaml", "attention.json", "--data", "table=photos", "--data",
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
    probe = {(r["train"], r["test"]): r["srocc"]["median"] for r in results["rows"] if r["model"] == "ridge_baseline"}
    assert all((probe[train, "photos"] > 0) == (probe[train, "others"] > 0) for train in ("photos", "others"))
    text = (noise_folder / "c.md").read_text()
    assert "LEAK: photos and others share images (1" in text
    assert "there is no nowhere" in text
    for name in ("matrix_gcn.png", "matrix_ridge_baseline.svg", "differences.png"):
        assert (noise_folder / "cross" / name).is_file()
    monkeypatch.chdir(noise_folder)
    assert main(["cross-dataset", "--from", "cross", "--markdown", "again.md"]) == 0
    assert (noise_folder / "again.md").read_text() == text


def test_what_data_says():
    assert parse_source("demo") == DataSource("demo", None)
    assert parse_source("table=a/b=c") == DataSource("table", Path("a/b=c"))
    given = parse_source("table=a,score_range=[0, 5],higher_is_better=false")
    assert given.options == (("score_range", "[0, 5]"), ("higher_is_better", "false"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "two datasets"), (["--data", "demo"], "two datasets"), (["--data", "=x", "--data", "demo"], "NAME=ROOT")],
)
def test_usage_errors(arguments, says, capsys, exit_code):
    assert exit_code("cross-dataset", *arguments) == 2
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "bid", "--data", "livec=here"], "bid=ROOT"),
        (["--data", "lvec=a", "--data", "livec=b"], "did you mean 'livec'"),
        (["--data", "livec=a", "--data", "bid=b"], "0 datasets are there"),
    ],
)
def test_data_that_cannot_be_used(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["cross-dataset", "deiqt", *arguments]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def data():
    mos = np.random.default_rng(0).normal(size=80)
    paths = tuple(Path(f"{i}.png") for i in range(80))
    return RatedImages("toy", paths, mos, score_range=(-9, 9), licence="CC0", source="made up")


def test_trainings_that_failed_have_no_differences(data):
    failed = [dict(model=model, split="s", error="ValueError: the loss is nan", trace="") for model in ("a", "b")]
    assert compare_models("x", failed, {"x": data, "y": data}, 0.25, 0.01, [("a", "b")]) == []
