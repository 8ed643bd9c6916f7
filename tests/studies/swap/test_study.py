"""iqa-zoo swap as a user runs it, on a folder of noise with a table of scores."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from torch import nn

from iqa_zoo import registry
from iqa_zoo.cli import main
from iqa_zoo.studies.swap.levels import group_refused
from iqa_zoo.studies.swap.study import select_complete


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
    assert "What each part adds" in ran.stdout
    with (folder / "r.csv").open() as file:
        assert next(csv.DictReader(file))["interactions"] == "none"
    assert {path.name for path in (folder / "run").iterdir()} == {
        "results.json", "tables.md", "runs.csv", "main_effects.png", "main_effects.svg", "matrix.png", "matrix.svg",
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
        (["--margin", "0"], "--margin is 0; give an SROCC difference above 0"),
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
