"""Kind K: scoring needs few packages, and what is no score is an error."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from iqa_zoo.cli import main

BLOCKED = """
import importlib.util
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        raise ImportError(spec.name + " is blocked")

    def exec_module(self, module):
        raise ImportError(module.__name__ + " is blocked")


sys.meta_path.insert(0, Blocked())
from iqa_zoo.cli import main

code = main({arguments})
assert not {blocked} & {{name.partition(".")[0] for name in sys.modules}}
sys.exit(code)
"""
TRAINING = {"mmengine", "cv2"}
SLIM = {*TRAINING, "matplotlib", "sklearn", "skimage", "fvcore", "torch_geometric", "scipy"}


@pytest.fixture
def cfg(tiny):
    tiny["backbone"]["image_size"] = 32
    return tiny


@pytest.fixture
def trained(cfg, write_run, tmp_path):
    return write_run(tmp_path / "run", cfg)


@pytest.fixture
def photos(tmp_path):
    """Twelve rated images, one of them small."""
    root = tmp_path / "photos"
    root.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        shape = (20, 24, 3) if index == 0 else (40, 48, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(root / f"{index}.png")
    (root / "scores.csv").write_text("\n".join(["image,mos", *(f"{index}.png,{index}" for index in range(12))]))
    return root


def _run_without(blocked, *arguments):
    code = BLOCKED.format(blocked=blocked, arguments=[str(argument) for argument in arguments])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_score_runs_without_what_only_training_and_figures_need(trained, photos, capsys):
    done = _run_without(SLIM, "score", photos, "--run", trained, "--device", "cpu", "--csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 12
    assert main(["score", str(photos), "--run", str(trained), "--device", "cpu", "--csv"]) == 0
    expected = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [float(row["score"]) for row in rows] == pytest.approx([float(row["score"]) for row in expected])


@pytest.mark.slow
def test_evaluate_runs_without_what_only_training_needs(trained, photos):
    done = _run_without(
        TRAINING | {"matplotlib", "sklearn"},
        *("evaluate", trained, "--data", "table", "--root", photos, "--device", "cpu", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("form", ["figure", "numbers", "dataset"])
def test_explain_runs_without_what_only_training_needs(form, trained, photos, tmp_path):
    arguments = {
        "figure": [photos / "1.png", "-o", tmp_path / "out.png"],
        "numbers": [photos / "1.png", "--json"],
        "dataset": ["--data", "table", "--root", photos, "--images", 3, "-o", tmp_path / "out"],
    }[form]
    blocked = TRAINING | ({"matplotlib", "sklearn"} if form == "numbers" else set())
    done = _run_without(blocked, "explain", *arguments, "--run", trained, "--device", "cpu")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def overflowing(trained):
    """Weights that are finite and whose scores are not: in float32 the head overflows."""
    weights = load_file(trained / "weights.safetensors")
    for name in weights:
        if name.startswith("head."):
            weights[name] = torch.full_like(weights[name], 3e38)
    save_file(weights, trained / "weights.safetensors")
    return trained


def _strict(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["--json", "--csv", "json", "csv", "plain"])
def test_a_score_that_is_not_finite_is_an_error_of_its_image(form, overflowing, photos, tmp_path, capsys):
    file = tmp_path / f"s.{form}"
    output = {"plain": []}.get(form, [form] if form.startswith("--") else ["-o", str(file)])
    code = main(["score", str(photos / "1.png"), str(photos / "0.png"), "--run", str(overflowing), *output])
    out, err = capsys.readouterr()
    assert code == 1
    assert f"iqa-zoo: not scored: {photos / '1.png'}: the model gives " in err
    text = file.read_text() if file.exists() else out
    if "json" in form:
        rows = _strict(text)["images"]
        assert [row["score"] for row in rows] == [None, None]
        assert "is no score" in rows[0]["note"]
    elif "csv" in form:
        assert [row["score"] for row in csv.DictReader(text.splitlines())] == ["", ""]
    else:
        assert len(out.splitlines()) == 2  # heading and signature


@pytest.mark.slow
def test_evaluate_and_explain_name_the_image_whose_score_is_not_finite(overflowing, photos, tmp_path, capsys):
    assert main(["evaluate", str(overflowing), "--data", "table", "--root", str(photos)]) == 2
    assert "0.png: the model gives " in capsys.readouterr().err
    file = tmp_path / "out.png"
    assert main(["explain", str(photos / "1.png"), "--run", str(overflowing), "-o", str(file)]) == 2
    assert "1.png: the model gives " in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.slow
def test_scores_that_are_all_equal_have_no_srocc(trained, photos, capsys):
    weights = load_file(trained / "weights.safetensors")
    for name in weights:
        if name.startswith("head.fc"):
            weights[name] = torch.zeros_like(weights[name])
    save_file(weights, trained / "weights.safetensors")
    command = ["evaluate", str(trained), "--data", "table", "--root", str(photos), "--option", "name=other"]
    assert main([*command, "--json"]) == 0
    found = _strict(capsys.readouterr().out)
    assert found["undefined"] == "all scores are equal"
    assert found["metrics"]["srocc"] is None
    assert found["srocc_interval"] is None
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "undefined (all scores are equal)" in out
    assert "nan" not in out
