"""One decoder that gives one score for all images: it is undefined and said to be, and loses nothing of the others."""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.progress import Terminal
from iqa_zoo.stats.effects import analyze_factors
from iqa_zoo.studies.gathering import gather_records
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.training.selection import choose_epoch, compare_rules

CONSTANT_HEAD = '''
import torch
from torch import nn
from iqa_zoo.contracts import HeadOutput

class ConstantHead(nn.Module):
    """One score for all images.

    Args:
        dim: model width. Handed down.
        hidden: of a layer whose output is not read.
    """

    def __init__(self, *, dim: int, hidden: int = 8):
        super().__init__()
        self.score = nn.Parameter(torch.zeros(()))
        self.unread = nn.Linear(dim, hidden)

    def forward(self, queries_BND):
        score_BN = self.score.expand(queries_BND.shape[:2]) + 0 * self.unread(queries_BND).mean(2)
        return HeadOutput(score_BN.mean(1), score_BN)
'''
SMALL = ["--splits", 2, "--epochs", 1, "--crops", 1, "--batch-size", 8, "--selection", "last", "--jobs", 1]  # fmt: skip
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def photos(tmp_path: Path, install: Callable[..., Path]) -> Path:
    """A table of 30 images, and the configs ``gcn`` and ``constant``; the head of the latter is a plugin's."""
    install("iqa-zoo-constant", {"heads": {"constant": "constant_head:ConstantHead"}}, constant_head=CONSTANT_HEAD)
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    for i in range(30):
        noise = rng.normal(128, 3 * (i + 1), (224, 224, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{100 - 3 * i}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    config = dict(
        dim=24,
        backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4]),
        queries=dict(type="guided"),
        memory=dict(type="grid_pool", grid=2),
        interactions=[dict(type="query_gcn", hidden=[8]), dict(type="cross_attention", num_heads=2)],
        head=dict(type="linear"),
        losses=[dict(type="l1")],
    )
    (tmp_path / "gcn.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "constant.yaml").write_text(yaml.safe_dump({**config, "head": dict(type="constant")}))
    return tmp_path


@pytest.fixture
def run(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one_thread: None) -> Run:
    """Run a study in the folder and return what its results hold, strict JSON and all its files checked."""
    monkeypatch.chdir(photos)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(photos / "cache"))

    def study(name: str, *arguments: object) -> dict[str, Any]:
        outputs = ["--out", "run", "--json", "r.json", "--csv", "r.csv", "--markdown", "r.md", "--html", "r.html"]
        code = main([name, *(str(word) for word in (*arguments, *SMALL, *outputs))])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        text = (photos / "r.json").read_text()
        assert "NaN" not in text
        assert json.loads((photos / "run" / "results.json").read_text()) == json.loads(text)
        assert "nan" not in (photos / "r.csv").read_text()
        assert "nan" not in (photos / "r.md").read_text()
        assert "undefined" in (photos / "r.md").read_text()
        assert "undefined" in (photos / "r.html").read_text()
        assert " nan" not in printed.out + printed.err
        assert main([name, "--from", "run"]) == 0  # what was kept prints the same
        again = capsys.readouterr().out
        first = [line for line in printed.out.splitlines() if not line.startswith("written to ")]
        assert again.splitlines()[:-1] == first[:-1]
        results: dict[str, Any] = json.loads(text)
        return {**results, "printed": " ".join(printed.out.split())}  # however wide the terminal is

    return study


TABLE = ("--data", "table", "--root", "labels.csv", "--backbone", "test_resnet")


@pytest.mark.slow
def test_compare(run: Run, photos: Path) -> None:
    results = run("compare", "gcn.yaml", "constant.yaml", *TABLE, "--no-latency")
    assert [r["srocc"] is None for r in results["runs"]] == [False, True, False] * 2
    summary = results["summary"]
    assert summary["constant"]["srocc"] == {"median": None, "q1": None, "q3": None, "undefined": 2}
    assert summary["constant"]["rmse"]["median"] > 0
    assert summary["gcn"]["srocc"]["undefined"] == 0
    pairs = {(pair["first"], pair["second"]): pair for pair in results["differences"]}
    assert pairs["gcn", "constant"]["mean"] is None
    assert pairs["gcn", "ridge_baseline"]["pairs"] == 1
    assert (
        f"gcn and constant: the difference is undefined, as constant: all scores are equal on split {results['splits'][0]}."
        in results["printed"]
    )
    with (photos / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["srocc"] == "" for row in rows] == [False, True, False] * 2
    assert all(float(row["rmse"]) > 0 for row in rows)


@pytest.mark.slow
def test_ablate(run: Run) -> None:
    results = run("ablate", "constant.yaml", *TABLE, "--only", "as-is")
    assert all(pair["mean"] is None for pair in results["differences"])
    assert results["differences"]
    assert ": undefined, as constant: all scores are equal on split" in results["printed"]


@pytest.mark.slow
def test_ablate_sizes(run: Run) -> None:
    results = run("ablate", "constant.yaml", *TABLE, "--sensitivity", "queries")
    assert "queries=1: undefined, as queries=1: all scores are equal on split" in results["printed"]
    assert ": undecided" not in results["printed"]


@pytest.mark.slow
def test_data_efficiency(run: Run) -> None:
    results = run("data_efficiency", "gcn.yaml", "constant.yaml", *TABLE, "--fractions", 0.5, 1)
    assert "gcn and constant at 2 shares: undefined at 2." in results["printed"]
    assert [row["srocc"]["median"] is None for row in results["rows"]] == [False, True, False] * 2


@pytest.mark.slow
def test_scaling(run: Run) -> None:
    study = ("scaling", "--backbones", "test_resnet", "--data", "table", "--root", "labels.csv", "--no-latency")
    results = run(*study, "gcn.yaml", "constant.yaml")
    assert results["best"] in ("gcn on test_resnet", "ridge_baseline on test_resnet")
    assert not any("constant" in model for models in results["front"].values() for model in models)


SWAPPED = ("--queries", "learned", "guided", "--interactions", "none", "--memories", "tokens", "--budget", 200_000)


@pytest.mark.slow
def test_swap(run: Run) -> None:
    results = run("swap", *TABLE, *SWAPPED, "--heads", "linear", "constant")
    assert results["analysis"]["combinations"] == 2
    assert not results["refused"]
    assert {row["factor"] for row in results["analysis"]["main"]} == {"queries"}
    undefined = [row["model"] for row in results["rows"] if row["levels"]["head"] == "constant"]
    assert len(undefined) == 2
    assert all(f"{model} (all scores are equal on split" in results["printed"] for model in undefined)


@pytest.mark.slow
def test_swap_of_undefined_combinations_only(run: Run) -> None:
    results = run("swap", *TABLE, *SWAPPED, "--heads", "constant")
    assert results["analysis"]["why"] == "fewer than two combinations have an SROCC on every split"


@pytest.mark.slow
def test_cross_dataset(run: Run, photos: Path) -> None:
    lines = (photos / "labels.csv").read_text().splitlines()
    (photos / "other.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    sets = ("--data", "table=labels.csv", "--data", "table=other.csv,name=other", "--backbone", "test_resnet")
    results = run("cross_dataset", "gcn.yaml", "constant.yaml", *sets)
    cells = {(row["model"], row["train"] == row["test"]): row["srocc"]["median"] for row in results["rows"]}
    assert cells["constant", True] is None
    assert cells["constant", False] is None
    assert cells["gcn", False] is not None
    assert "gcn and constant at 2 own test parts: undefined at 2." in results["printed"]
    assert "gcn and constant at 2 pairs of datasets: undefined at 2." in results["printed"]


@pytest.mark.slow
def test_layer_probe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train = FrozenRunner.train

    def flatten(record: dict[str, Any]) -> dict[str, Any]:
        if "stage 2, ridge" not in record["model"]:
            return record
        return {**record, "srocc": math.nan, "predictions": dict.fromkeys(record["predictions"], 0.0)}

    monkeypatch.setattr(FrozenRunner, "train", lambda *args, **settings: list(map(flatten, train(*args, **settings))))
    results = run("layer_probe", "--backbones", "nss", *TABLE[:4], "--heads", "ridge")
    medians = {row["number"]: row["srocc"]["median"] for row in results["rows"]}
    assert medians.pop(2) is None
    assert None not in medians.values()
    for pair in results["differences"]:
        assert (pair["mean"] is None) == ("stage 2" in pair["first"] + pair["second"])
    assert "nss, ridge: best at stage" in results["printed"]


def test_a_line_a_split_while_trainings_run(capsys: pytest.CaptureFixture[str]) -> None:
    training = argparse.Namespace(model="a", split=argparse.Namespace(id="s1"))
    records = iter([(0, {"model": "a", "split": "s1", "validation_srocc": math.nan})])
    gather_records(records, [training], lambda *_: None, Terminal())  # type: ignore[list-item]
    assert "split 1 (s1): validation SROCC a undefined" in capsys.readouterr().err


@pytest.mark.parametrize("undefined", [math.nan, None])
def test_an_epoch_without_a_metric_is_chosen_last(undefined: float | None) -> None:
    history = [
        dict(epoch=i, validation=dict(srocc=value), test=dict(srocc=value, plcc=value))
        for i, value in enumerate([undefined, -0.5, undefined], start=1)
    ]
    assert choose_epoch(history, "validation") == 1
    assert choose_epoch(history, "test-oracle") == 1
    none = [{**epoch, "validation": dict(srocc=undefined), "test": dict(srocc=undefined)} for epoch in history]
    assert choose_epoch(none, "validation") == 2
    assert set(compare_rules(none)) == {"validation", "last", "test-oracle"}


def test_an_analysis_of_one_combination_says_why_there_is_none() -> None:
    assert analyze_factors([[0.5], [0.6]], [{"head": "moe"}], 0.25)["why"]


FLAKY_HEAD = """
import torch
from constant_head import ConstantHead

class FlakyHead(ConstantHead):
    def forward(self, queries_BND):
        if torch.initial_seed() == 1:  # of the second split
            raise RuntimeError("one split only")
        output, score_BN = super().forward(queries_BND), self.unread(queries_BND).mean(2)
        return type(output)(score_BN.mean(1), score_BN)
"""


@pytest.mark.slow
def test_a_model_that_fails_on_one_split_is_reported_on_the_others(
    run: Run, photos: Path, install: Callable[..., Path]
) -> None:
    install("iqa-zoo-flaky", {"heads": {"flaky": "flaky_head:FlakyHead"}}, flaky_head=FLAKY_HEAD)
    config = yaml.safe_load((photos / "gcn.yaml").read_text())
    (photos / "flaky.yaml").write_text(yaml.safe_dump({**config, "head": dict(type="flaky")}))
    results = run("compare", "flaky.yaml", "constant.yaml", *TABLE, "--no-latency")
    assert [r["model"] for r in results["runs"] if "error" in r] == ["flaky"]
    told = (photos / "r.md").read_text()
    assert (
        f"1 of 6 trainings failed; medians are over the splits that are left: flaky (split {results['splits'][1]}"
        in told
    )
    assert "A pair with one split in common" in told
    assert "1 of 6 trainings failed" in (photos / "r.html").read_text()
