"""inference.py as a user runs it, and its ratio on made-up seconds."""

import json

import pytest
import yaml


@pytest.fixture(scope="module")
def inference(load_script):
    return load_script("inference")


def test_the_ratio_pairs_the_rounds(inference):
    slow_half = [1.0] * 5 + [10.0] * 5  # the machine slows down for both
    seconds = {"backbone": slow_half, "model": [1.02 * s for s in slow_half]}
    found = inference.compute_ratio(seconds, "model", "backbone")
    assert found == pytest.approx({"median": 1.02, "low": 1.02, "high": 1.02})
    few = inference.compute_ratio({"backbone": [1.0, 1.0], "model": [1.1, 1.3]}, "model", "backbone")
    assert few == pytest.approx({"median": 1.2, "low": 1.1, "high": 1.3})


def test_from_the_command_line(inference, tiny, tmp_path, monkeypatch, capsys, one_thread):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    monkeypatch.chdir(tmp_path)
    words = ["tiny.yaml", "--rounds", "2", "--threads", "1", "--batch", "2", "--json"]
    assert inference.main([*words, "--out", "r.json", "--set", "backbone.image_size=64"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results == json.loads((tmp_path / "r.json").read_text())
    assert results["image_size"] == 64
    assert list(results["seconds"]) == ["backbone", "model"]
    found = results["ratios"]["model"]
    assert 0 < found["low"] <= found["median"] <= found["high"]


def test_a_problem_is_one_line(inference, capsys):
    assert inference.main(["lifeiq"]) == 2
    assert "lifeiqa" in capsys.readouterr().err
