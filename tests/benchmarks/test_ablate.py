"""ablate.py as a user runs it, small, and what its report says of made-up results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from iqa_zoo.reports.ablation import ablation_figures, ablation_tables, verdicts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    for i in range(30):
        noise = rng.normal(128, 3 * (i + 1), (160, 160, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(root / f"{i}.png")
        lines.append(f"{i}.png,{100 - 3 * i}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    small = dict(
        dim=24,
        backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4]),
        queries=dict(type="guided"),
        memory=dict(type="grid_pool", grid=2),
        interactions=[dict(type="query_gcn", hidden=[8]), dict(type="cross_attention", num_heads=2)],
        head=dict(type="moe", hidden=64),
        losses=[dict(type="l1"), dict(type="load_balance", weight=0.01)],
    )
    (root / "small.yaml").write_text(yaml.safe_dump(small))
    return root


def run(folder, *arguments):
    environment = {**os.environ, "IQA_ZOO_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / "ablate.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def test_the_whole_ablation(folder):
    data = ["--data", "table", "--root", folder / "labels.csv", "--backbone", "test_resnet", "--selection", "last"]
    size = ["--splits", 2, "--epochs", 1, "--crops", 1, "--batch-size", 8, "--jobs", 1]
    first = run(folder, "small.yaml", *data, *size, "--out", "run")
    assert first.returncode == 0, first.stderr
    results = json.loads((folder / "run" / "results.json").read_text())
    whole = results["rows"][0]
    target = whole["budget"]["decoder"]["params"]
    for row in results["rows"]:
        if row["kind"] in ("matched", "both"):
            assert abs(row["budget"]["decoder"]["params"] - target) <= 0.01 * target
    assert {row["variant"] for row in results["rows"]} >= {"small", "GCN -> attention", "MoE -> FFN", "without MoE"}
    assert len(results["runs"]) == 2 * len(results["rows"])
    assert [pair["second"] for pair in results["differences"]] == ["small"] * (len(results["rows"]) - 1)
    assert {file.name for file in (folder / "run").iterdir()} == {
        "results.json", "tables.md", "runs.csv", "ablation.png", "ablation.svg",
    }  # fmt: skip
    again = run(folder, "--from", "run")
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
def test_bad_input_is_one_clear_message(folder, arguments, words):
    done = run(folder, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


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
        splits=["x"] * 10, parts=dict(train=8, validation=1, test=2), crops=4, yardstick_lr=0.1, selection="last",
        recipe=dict(epochs=1, batch_size=2, lr=0.1, precision="float32"), runs=[], seconds=1.0,
    )  # fmt: skip


def test_worse_better_and_ties_are_told_apart():
    assert verdicts(made_up()) == [
        "As they are: worse: A (-0.020); ties: B.",
        "At one budget: worse: A (-0.020); better: B (+0.020).",
    ]
    variants, refused = ablation_tables(made_up())
    assert [row[-1] for row in variants.rows] == ["-", "worse", "a tie", "better"]
    assert refused.rows == [["C", "-", "no stage 3"]]
    assert list(ablation_figures(made_up())) == ["ablation"]
