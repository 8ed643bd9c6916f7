"""iqa-zoo ablate as a user runs it, small, and what its report says of made-up results."""

import json
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.cli import main
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.studies.ablate.report import make_figures, make_sentences, make_tables
from iqa_zoo.studies.summaries import compute_differences


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
        "results.json", "tables.md", "runs.csv", "ablation.pdf", "ablation.png", "ablation.svg",
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

    def pair(first, mean, low, high, *verdict):
        return dict(
            first=first,
            second="lifeiqa",
            mean=mean,
            low=low,
            high=high,
            wins=1,
            splits=10,
            p=0.04,
            margin=0.01,
            pairs=3,
            why="",
            **dict(zip(("verdict", "needed"), verdict, strict=True)),
        )

    names = ("lifeiqa", "A", "without B", "without B, matched", "D", "D, matched", "without E", "ridge_baseline")
    spread = dict(median=0.8, q1=0.7, q3=0.9)
    return dict(
        base="lifeiqa", match="params", sensitivity=[], refused=[dict(variant="C", change="-", reason="no stage 3")],
        rows=[
            row("lifeiqa", "lifeiqa", "whole", 100), row("A", "A", "both", 100), row("without B", "without B", "as it is", 50),
            row("without B, matched", "without B", "matched", 100), row("D", "D", "as it is", 80),
            row("D, matched", "D", "matched", 100), row("without E", "without E", "both", 100),
            row("ridge_baseline", "ridge_baseline", "baseline", 1),
        ],
        differences=[
            pair("A", -0.02, -0.03, -0.01, "behind", ""), pair("without B", 0.001, -0.004, 0.006, "equivalent", ""),
            pair("without B, matched", -0.02, -0.03, -0.01, "behind", ""), pair("D", 0.02, 0.01, 0.03, "ahead", ""),
            pair("D, matched", 0.01, -0.01, 0.03, "undecided", "about 21 splits or 1.8 times the rated images"),
            {**pair("without E", None, None, None, "undecided", ""), "why": "without E: all scores are equal on split x"},
            pair("ridge_baseline", -0.004, -0.02, 0.012, "undecided", "about 30 splits"),
        ],
        summary={name: dict(srocc=spread) for name in names},
        data=dict(name="livec", images=1162, contents=1162, label="MOS"), backbone="resnet18", weights="ImageNet weights", protocol="frozen",
        splits=["x"] * 10, parts=dict(train=8, validation=1, test=2), crops=4, baseline="probe", selection="last",
        recipe=dict(epochs=1, batch_size=2, lr=0.1, precision="float32"), runs=[], seconds=1.0,
    )  # fmt: skip


def test_every_change_has_its_verdict():
    assert make_sentences(made_up()) == [
        "A, as it is (within the budget): costs 0.020 SROCC [0.010, 0.030]; worse with the change.",
        "without B, as it is: changes SROCC by +0.001 [-0.004, +0.006]; equivalent within 0.01 without the part, which has not "
        "earned its parameters.",
        "without B, matched: costs 0.020 SROCC [0.010, 0.030]; the part earned its parameters.",
        "D, as it is: gains 0.020 SROCC [0.010, 0.030]; better with the change.",
        "D, matched: changes SROCC by +0.010 [-0.010, +0.030]; undecided; about 21 splits or 1.8 times the rated images would "
        "decide, if mean and spread stay as they are.",
        "without E, as it is (within the budget): undefined, as without E: all scores are equal on split x.",
        "lifeiqa has not earned its parameters. lifeiqa and ridge_baseline: undecided, mean SROCC difference +0.004 [-0.012, "
        "+0.020], lifeiqa ahead in 9 of 10 splits; about 30 splits would decide, if mean and spread stay as they are.",
    ]
    variants, refused = make_tables(made_up())
    assert [row[-2] for row in variants.rows] == [
        "-", "worse", "equivalent within 0.01", "worse", "better", "undecided", "undefined: without E: all scores are equal on split x",
        "undecided",
    ]  # fmt: skip
    assert variants.rows[5][-1] == "about 21 splits or 1.8 times the rated images"
    assert any("adjusted for 3 comparisons" in note for note in variants.notes)
    assert refused.rows == [["C", "-", "no stage 3"]]
    assert list(make_figures(made_up())) == ["ablation"]


def test_a_sensitivity_names_the_size_alone():
    results = made_up()
    results["sensitivity"] = ["queries"]
    results["rows"] = [{**row, "variant": row["model"], "change": "", "kind": "as it is"} for row in results["rows"]]
    assert make_sentences(results)[0] == "A: costs 0.020 SROCC [0.010, 0.030]; worse with the change."
    assert make_tables(results)[0].columns[0] == "size"


@pytest.mark.parametrize("splits", [1, 2])
def test_few_splits_are_undecided(splits):
    paths = tuple(Path(f"{i}.png") for i in range(20))
    data = RatedImages("twenty", paths, np.arange(20.0), score_range=(0, 20), licence="", source="")
    rng = np.random.default_rng(0)
    records = [
        dict(
            model=model,
            split=str(j),
            srocc=srocc,
            seconds=1.0,
            predictions=dict(zip(data.names, rng.normal(size=20), strict=True)),
        )
        for model, srocc in (("lifeiqa", 0.8), ("A", 0.7))
        for j in range(splits)
    ]
    [pair] = compute_differences(records, 0.25, data, [("A", "lifeiqa")])
    results = {**made_up(), "differences": [pair], "splits": ["x"] * splits}
    assert pair["verdict"] == "undecided"
    assert make_sentences(results)[0].endswith("; undecided; a verdict needs at least 5 splits.")
