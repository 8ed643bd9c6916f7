"""iqa-zoo swap as a user runs it, on a folder of noise with a table of scores."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr
from torch import nn

from iqa_zoo import registry
from iqa_zoo.cli import main
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.studies.swap.levels import group_refused
from iqa_zoo.studies.swap.study import analyze_combinations, select_complete


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    for i in range(30):
        noise = rng.normal(128, 3 * (i + 1), (224, 224, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(root / f"{i}.png")
        lines.append(f"{i}.png,{100 - 3 * i}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def options(folder):
    return [
        "--data", "table", "--root", str(folder / "labels.csv"), "--splits", "2", "--epochs", "1", "--crops", "1",
        "--validation-fraction", "0.25", "--budget", "30000", "--depth", "1", "--queries", "learned", "guided",
        "--interactions", "none", "query_gcn", "--memories", "grid_pool", "--heads", "linear",
    ]  # fmt: skip


def test_a_whole_matrix(folder, run_study):
    arguments = [*options(folder), "--jobs", "1", "--out", "run", "--csv", "r.csv"]
    ran = run_study("swap", folder, *arguments, small=False)
    assert ran.returncode == 0, ran.stderr
    results = json.loads((folder / "run" / "results.json").read_text())
    assert len(results["rows"]) == 4
    assert all(abs(row["budget"]["decoder"]["params"] / 30000 - 1) <= 0.04 for row in results["rows"])
    assert len(results["runs"]) == 2 * (4 + 1)
    assert {(row["factor"], row["level"]) for row in results["analysis"]["main"]} == {
        ("queries", "learned"),
        ("queries", "guided"),
        ("interactions", "none"),
        ("interactions", "query_gcn"),
    }
    assert {row["verdict"] for row in results["analysis"]["main"]} == {"undecided"}  # two splits
    assert results["analysis"]["why_no_sampling"] == ""
    assert results["possible_pairs"] == 5 * 4 // 2  # four combinations and the baseline
    assert {pair["pairs"] for pair in results["behind_first"]} == {10}
    assert "What each part adds" in ran.stdout
    assert "undecided; a verdict needs at least 5 splits." in " ".join(ran.stdout.split())
    with (folder / "r.csv").open() as file:
        assert next(csv.DictReader(file))["interactions"] == "none"
    assert {path.name for path in (folder / "run").iterdir()} == {
        "results.json", "tables.md", "runs.csv", "main_effects.pdf", "main_effects.png", "main_effects.svg",
        "matrix.pdf", "matrix.png", "matrix.svg",
    }  # fmt: skip


class Demanding(nn.Module):
    def __init__(self, *, dim: int, width: int):
        super().__init__()


class Broken(nn.Module):
    def __init__(self, *, dim: int):
        raise RuntimeError("no library here")


def test_what_cannot_be_built_is_listed_and_the_rest_goes_on(folder, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path))
    monkeypatch.setitem(registry.HEADS.module_dict, "demanding", Demanding)
    monkeypatch.setitem(registry.HEADS.module_dict, "broken", Broken)
    heads = ["--heads", "linear", "demanding", "broken", "--dry-run"]
    assert main(["swap", *options(folder)[:-2], *heads]) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "4 combinations (2 queries x 2 mixing block x 1 memory x 1 head)" in said
    assert "not built: head demanding (4): has no default for width" in said
    assert "not built: head broken (4): RuntimeError: no library here" in said
    assert "4 combinations" in said


def test_a_budget_out_of_reach_is_said_with_its_reason(folder, capfd):
    arguments = options(folder)
    arguments[arguments.index("--budget") + 1] = "7"
    assert main(["swap", *arguments, "--dry-run"]) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert "0 of 4 combinations can be built" in said
    assert "the closest is" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--heads", "linaer"], "did you mean 'linear'"),
        (["--interactions", "cross_attention"], "unknown interaction 'cross_attention'"),
        (["--budget", "lifeiqua"], "did you mean 'lifeiqa'"),
        (["--margin", "0"], "--margin 0 must be above 0"),
        (["--depth", "0"], "--depth is a positive number"),
        (["--backbone", "resnet81"], "did you mean 'resnet18'"),
        (["--from", "nowhere"], "nowhere is not a run"),
    ],
)
def test_bad_input_is_one_clear_message_before_any_work(capfd, arguments, says):
    try:
        code = main(["swap", *arguments])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert says in " ".join(capfd.readouterr().err.split())


def test_a_part_of_the_table_holds_every_level(folder, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path))
    assert main(["swap", *options(folder), "--draw", "2", "--dry-run"]) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "2 of 4 combinations (2 queries x 2 mixing block x 1 memory x 1 head)" in said


def test_combinations_that_share_a_reason_stand_in_one_row():
    levels = dict(queries=["a", "b"], memory=["x", "y"], head=["z"])
    rows = [dict(queries=query, memory="x", head="z") for query in "ab"]
    refused = [(row, "no x") for row in rows] + [(dict(queries="a", memory="y", head="z"), "too large")]
    assert group_refused(refused, levels) == [
        dict(what="memory x", combinations=2, reason="no x"),
        dict(what="queries a, memory y", combinations=1, reason="too large"),
    ]


def test_a_combination_that_failed_on_a_split_is_left_out():
    done = [dict(model=model, srocc=0.5) for model in "aab"]
    assert select_complete(done, ["a", "b"], 2) == {"a": done[:2]}


def make_records(models, splits, failed=()):
    """Records on test parts of 12 of 40 images, and the images."""
    rng = np.random.default_rng(0)
    paths = tuple(Path(f"{i}.png") for i in range(40))
    data = RatedImages("forty", paths, rng.normal(size=40), score_range=(-9, 9), licence="", source="")
    records = []
    for j in range(splits):
        tested = rng.permutation(40)[:12]
        for model in models:
            if (model, j) not in failed:
                scores = data.mos[tested] + 0.3 * rng.normal(size=12)
                predictions = dict(zip([data.names[i] for i in tested], scores.tolist(), strict=True))
                srocc = float(spearmanr(scores, data.mos[tested]).statistic)
                records.append(dict(model=model, split=str(j), srocc=srocc, predictions=predictions))
    return records, data


LEVELS = {
    f"{query} {head}": dict(queries=query, interactions="none", memory="tokens", head=head)
    for query, head in itertools.product("ab", "xyz")
}


@pytest.mark.parametrize("splits", [1, 2, 6])
def test_combinations_are_analyzed_with_the_error_of_sampling(splits):
    records, data = make_records(LEVELS, splits)
    measured = select_complete(records, list(LEVELS), splits)
    found = analyze_combinations(measured, LEVELS, data, 0.3, margin=0.02, interactions=True)
    assert found["why_no_sampling"] == ""
    assert len(found["main"]) == 2 + 3
    assert len(found["interactions"]) == 2 * 3
    for row in (*found["main"], *found["interactions"]):
        assert row["method"] == "corrected t + jackknife"
        assert (row["margin"], row["splits"]) == (0.02, splits)
        assert -2 < row["low"] < row["mean"] < row["high"] < 2
        if splits < 5:
            assert (row["verdict"], row["needed"]) == ("undecided", "at least 5 splits")


def test_a_failed_cell_is_missing_and_the_rest_is_analyzed():
    records, data = make_records(LEVELS, 6, failed=[("a x", 3)])
    measured = select_complete(records, list(LEVELS), 6)
    assert "a x" not in measured
    found = analyze_combinations(measured, LEVELS, data, 0.3, margin=0.01, interactions=True)
    assert (found["complete"], found["combinations"]) == (False, 5)
    assert {(row["factor"], row["level"], row["combinations"]) for row in found["main"]} >= {
        ("head", "x", 1),
        ("queries", "a", 2),
    }
    assert found["unknown"] == [["queries", "head"]]


def test_without_predictions_the_error_of_sampling_is_left_out_with_the_reason():
    records, data = make_records(LEVELS, 6)
    measured = select_complete([{**record, "predictions": {}} for record in records], list(LEVELS), 6)
    found = analyze_combinations(measured, LEVELS, data, 0.3, margin=0.01, interactions=False)
    assert found["why_no_sampling"] == "the records hold no predictions"
    assert {row["method"] for row in found["main"]} == {"corrected t"}


def test_nothing_measured_is_nothing_to_analyze():
    _, data = make_records(LEVELS, 1)
    found = analyze_combinations({}, LEVELS, data, 0.3, margin=0.01, interactions=True)
    assert found["main"] == []
    assert "fewer than two combinations" in found["why"]
