"""iqa-zoo scaling as a user runs it, and its choice of the best and of the fronts."""

import json

import pytest
import timm
from safetensors.torch import save_file

from iqa_zoo.cli import main
from iqa_zoo.config import load_config
from iqa_zoo.errors import IqaZooError, UnknownName
from iqa_zoo.progress import Silent
from iqa_zoo.studies.scaling.rows import choose_best, find_fronts
from iqa_zoo.studies.scaling.study import build_runners
from iqa_zoo.studies.study import plan_study
from iqa_zoo.studies.weights import check_backbone


def test_the_whole_study(noise_folder, run_study, monkeypatch):
    first = run_study(
        "scaling", noise_folder, "gcn.yaml", "attention.json", "--backbones", "nss", "test_resnet", "--data", "table",
        "--root", "photos", "--out", "scaling", "--json", "s.json", "--markdown", "s.md",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    results = json.loads((noise_folder / "s.json").read_text())
    assert [backbone["weights"] for backbone in results["backbones"]] == [
        "no weights to load",
        "random weights (seed 0)",
    ]
    matched = [row for row in results["rows"] if row["decoder"] != "ridge_baseline"]
    assert len(matched) == 4
    for row in matched:
        assert abs(row["budget"]["decoder"]["params"] - results["target"]) <= 0.01 * results["target"]
    assert all(row["speed"]["latency_ms"] > 0 for row in results["rows"])
    assert len(results["runs"]) == 2 * 2 * 3
    assert len(results["differences"]) == 5 + 1 + 3  # the best to all others, and the others on each backbone
    text = (noise_folder / "s.md").read_text()
    assert "RANDOM WEIGHTS: test_resnet" in text
    for name in ("scaling_macs.png", "scaling_params.svg"):
        assert (noise_folder / "scaling" / name).is_file()
    monkeypatch.chdir(noise_folder)
    assert main(["scaling", "--from", "scaling", "--markdown", "again.md"]) == 0
    assert (noise_folder / "again.md").read_text() == text


def test_weights_of_a_backbone_are_loaded_and_named(noise_folder, monkeypatch):
    monkeypatch.chdir(noise_folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(noise_folder / "cache"))
    save_file(timm.create_model("test_resnet").state_dict(), "named.safetensors")
    arguments = ["gcn.yaml", "--backbones", "test_resnet", "--weights", "test_resnet=named.safetensors", "--data", "table",
                 "--root", "photos", "--splits", "1", "--epochs", "1", "--crops", "1", "--validation-fraction", "0.25",
                 "--no-latency", "--jobs", "1", "--out", "named", "--markdown", "n.md"]  # fmt: skip
    assert main(["scaling", *arguments]) == 0
    assert "test_resnet: weights from named.safetensors" in (noise_folder / "n.md").read_text()
    assert main(["scaling", *arguments[:4], "other=named.safetensors"]) == 2


def row(backbone, decoder, srocc, macs, params):
    return dict(
        model=f"{decoder} on {backbone}",
        backbone=backbone,
        decoder=decoder,
        srocc=None if srocc is None else dict(median=srocc, q1=srocc, q3=srocc),
        budget=dict(macs=macs, params=params),
    )


def test_fronts_and_the_best_pass_over_what_failed():
    rows = [row("s", "a", 0.7, 1, 5), row("s", "b", None, 1, 1), row("l", "a", 0.8, 9, 4), row("l", "b", 0.6, 9, 3)]
    assert choose_best(rows) == "a on l"
    assert find_fronts(rows) == {"macs": ["a on s", "a on l"], "params": ["b on l", "a on l"]}


def test_a_backbone_without_a_stage_is_left_out_and_a_misspelt_one_stops():
    spec = plan_study("scaling", ["deiqt"], backbones=["efficientvit_m0", "nss"])
    reads = {**load_config("deiqt"), "memory": dict(type="grid_pool", stage=2)}
    runners, refused = build_runners(spec, {"m": reads}, Silent())
    assert list(runners) == ["nss"]
    assert [row["backbone"] for row in refused] == ["efficientvit_m0"]
    assert "stage 2" in refused[0]["reason"]
    spec = plan_study("scaling", ["deiqt"], backbones=["efficientvit_m0"])
    with pytest.raises(IqaZooError, match="no backbone is left: efficientvit_m0: .*stage 2"):
        build_runners(spec, {"m": reads}, Silent())
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        check_backbone("resnet81")


def test_a_dry_run_says_what_it_would_cost(noise_folder, monkeypatch, capsys):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(noise_folder / "dry"))
    arguments = [noise_folder / "gcn.yaml", "--backbones", "test_resnet", "--data", "table", "--root", noise_folder / "photos",
                 "--validation-fraction", "0.25", "--dry-run"]  # fmt: skip
    assert main(["scaling", *map(str, arguments)]) == 0
    said = capsys.readouterr().err
    assert "test_resnet:" in said
    assert "T MACs" in said
    assert [path.name for path in (noise_folder / "dry").iterdir()] == ["look_alikes"]  # hashes, for the splits


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--backbones"),
        (["--backbones", "resnet18", "--weights", "resnet34=x"], "not one of --backbones"),
        (["--backbones", "resnet18", "--weights", "resnet18=none.pt"], "no file none.pt"),
        (["--backbones", "resnet18", "--weights", "none.pt"], "NAME=FILE"),
        (["--backbones", "resnet18", "resnet18"], "named twice"),
        (["--backbones", "resnet18", "--budget", "0"], "positive"),
    ],
)
def test_usage_errors(arguments, says, capsys, exit_code):
    assert exit_code("scaling", *arguments) == 2
    assert says in " ".join(capsys.readouterr().err.split())
