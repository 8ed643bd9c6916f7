"""iqa-zoo tsne as a user runs it: by quality where no distortion is named, the numbers of the features beside the picture."""

import json

import pytest

from iqa_zoo.cli import main


def test_the_whole_study(noise_folder, monkeypatch, capsys):
    monkeypatch.chdir(noise_folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(noise_folder / "cache"))
    options = ["--backbone", "nss", "--data", "table", "--root", "photos", "--crops", "1"]
    assert main(["tsne", *options, "--out", "tsne", "--json", "t.json", "--html", "t.html"]) == 0
    results = json.loads((noise_folder / "t.json").read_text())
    assert (results["by"], len(results["levels"])) == ("quality", 4)
    assert sorted(set(results["classes"])) == ["high", "low", "middle"]
    for level in results["levels"]:
        assert len(level["layout"]) == 30
        assert -1 <= level["silhouette"] <= 1
        assert level["chance"] == pytest.approx(1 / 3)
    assert max(level["accuracy"] for level in results["levels"]) > 0.5  # the noise that is the label is easily seen
    assert (noise_folder / "tsne" / "tsne.svg").is_file()
    assert "k-NN accuracy" in capsys.readouterr().out
    assert main(["tsne", "--from", "tsne"]) == 0


def test_distortions_that_are_not_named_and_bad_numbers_are_refused(noise_folder, monkeypatch, capsys):
    monkeypatch.chdir(noise_folder)
    options = ["--data", "table", "--root", "photos"]
    assert main(["tsne", *options, "--by", "distortion"]) == 2
    assert "names no distortions; use --by quality" in capsys.readouterr().err
    assert main(["tsne", *options, "--perplexity", "0"]) == 2
    assert "--perplexity is a positive number" in capsys.readouterr().err
