"""The study of seeds: its contract, its command and its page."""

from __future__ import annotations

import json
import statistics
from typing import ClassVar

import pytest

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.testing import StudyContract
from iqa_zoo.testing.study import make_images


class TestSeedNoise(StudyContract):
    parts: ClassVar = {"seed_noise": None}


def test_one_split_and_a_seed_for_each_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    words = ["seed-noise", "lifeiqa_tiny", "--data", "table", "--root", str(make_images(tmp_path / "images"))]
    words += [
        "--seeds",
        "3",
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--crops",
        "1",
        "--jobs",
        "1",
        "--selection",
        "last",
    ]
    assert main([*words, "--out", str(tmp_path / "run"), "--html", str(tmp_path / "r.html")]) == 0
    out = capsys.readouterr().out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {run["split"] for run in results["runs"]} == set(results["splits"])
    assert [run["seed"] for run in results["runs"] if run["model"] == "lifeiqa_tiny"] == [0, 1, 2]
    sroccs = [run["srocc"] for run in results["runs"] if run["model"] == "lifeiqa_tiny"]
    assert len(set(sroccs)) > 1
    (row,) = [row for row in results["by_seed"] if row["model"] == "lifeiqa_tiny"]
    assert row["deviation"] == pytest.approx(statistics.stdev(sroccs))
    assert f"lifeiqa_tiny: SROCC has a standard deviation of {row['deviation']:.4f} over 3 seeds." in out
    assert (tmp_path / "run" / "seeds.png").stat().st_size > 1000
    assert "SROCC by seed, less its median" in (tmp_path / "r.html").read_text()
    assert iqa_zoo.load_result(tmp_path / "run").study == "seed_noise"


def test_it_is_a_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "seed-noise" in capsys.readouterr().out
    assert main(["seed-noise", "lifeiqa_tiny", "--seeds", "1"]) == 2
    assert "--seeds 1: a standard deviation needs 2 or more" in capsys.readouterr().err
