"""iqa-zoo ablate as a user runs it, small, and what its report says of made-up results."""

import json

import pytest

from iqa_zoo.cli import main
from iqa_zoo.studies.ablate.report import make_figures, make_sentences, make_tables


def test_the_whole_ablation(noise_folder, run_study):
    first = run_study(
        "ablate",
        noise_folder,
        "gcn.yaml",
        "--data",
        "table",
        "--root",
        "photos",
        "--backbone",
        "test_resnet",
        "--out",
        "ablation",
    )
    assert first.returncode == 0, first.stderr
    assert first.stderr.index("GB in") < first.stderr.index("T MACs") < first.stderr.index("training, ")
    results = json.loads((noise_folder / "ablation" / "results.json").read_text())
    whole = results["rows"][0]
    target = whole["budget"]["decoder"]["params"]
    for row in results["rows"]:
        if row["kind"] in ("matched", "both"):
            assert abs(row["budget"]["decoder"]["params"] - target) <= 0.01 * target
    assert {row["variant"] for row in results["rows"]} >= {"gcn", "GCN -> attention", "MoE -> FFN", "without MoE"}
    assert len(results["runs"]) == 2 * len(results["rows"])
    baseline = results["rows"][-1]
    assert (baseline["model"], baseline["kind"], results["baseline"]) == (
        "ridge_baseline",
        "baseline",
        "ridge_baseline",
    )
    assert baseline["config"]["queries"]["stages"] == [3, 4]
    assert [pair["second"] for pair in results["differences"]] == ["gcn"] * (len(results["rows"]) - 1)
    assert {file.name for file in (noise_folder / "ablation").iterdir()} == {
        "results.json", "tables.md", "runs.csv", "ablation.png", "ablation.svg",
    }  # fmt: skip
    again = run_study("ablate", noise_folder, "--from", "ablation", small=False)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the model"),
        (["lifeiq"], "did you mean 'lifeiqa'"),
        (["lifeiqa", "--splits", "0"], "--splits is a positive number"),
    ],
)
def test_bad_input_is_one_clear_message(capsys, arguments, words):
    try:
        code = main(["ablate", *arguments])
    except SystemExit as stopped:  # argparse's way
        code = stopped.code
    assert code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def made_up():
    def row(model, variant, kind, params):
        decoder = dict(params=params, active_params=params, macs=10 * params)
        return dict(
            model=model, variant=variant, change="head: moe -> ffn", kind=kind, budget=dict(decoder=decoder, moved={})
        )

    def pair(first, mean, low, high):
        return dict(
            first=first,
            second="lifeiqa",
            mean=mean,
            low=low,
            high=high,
            wins=1,
            splits=10,
            p_holm=0.04,
            tie=not (low > 0 or high < 0),
        )

    names = ("lifeiqa", "A", "B", "B, matched")
    spread = dict(median=0.8, q1=0.7, q3=0.9)
    return dict(
        base="lifeiqa", match="params", sensitivity=[], refused=[dict(variant="C", change="-", reason="no stage 3")],
        rows=[
            row("lifeiqa", "lifeiqa", "whole", 100), row("A", "A", "both", 100), row("B", "B", "as it is", 50),
            row("B, matched", "B", "matched", 100),
        ],
        differences=[pair("A", -0.02, -0.03, -0.01), pair("B", 0.0, -0.01, 0.01), pair("B, matched", 0.02, 0.01, 0.03)],
        summary={name: dict(srocc=spread) for name in names},
        data=dict(name="livec", images=1162, contents=1162, label="MOS"), backbone="resnet18", weights="ImageNet weights", protocol="frozen",
        splits=["x"] * 10, parts=dict(train=8, validation=1, test=2), crops=4, baseline="probe", selection="last",
        recipe=dict(epochs=1, batch_size=2, lr=0.1, precision="float32"), runs=[], seconds=1.0,
    )  # fmt: skip


def test_worse_better_and_ties_are_told_apart():
    assert make_sentences(made_up()) == [
        "As they are: worse: A (-0.020); undecided: B.",
        "At one budget: worse: A (-0.020); better: B (+0.020).",
    ]
    variants, refused = make_tables(made_up())
    assert [row[-1] for row in variants.rows] == ["-", "worse", "undecided", "better"]
    assert refused.rows == [["C", "-", "no stage 3"]]
    assert list(make_figures(made_up())) == ["ablation"]
