"""What run.json must hold, and what a folder that is no run says."""

import json

import pytest

from iqa_zoo.errors import CheckpointError, UnknownName
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.run import read_run


@pytest.fixture
def trained(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = 32
    return write_run(tmp_path / "run", tiny)


def _change(folder, path, value):
    """Replace a value of run.json, or remove it (...)."""
    run = json.loads((folder / "run.json").read_text())
    *outer, last = path.split(".")
    inner = run
    for key in outer:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    (folder / "run.json").write_text(json.dumps(run))


def test_a_run_is_read_and_loaded(trained):
    run = read_run(trained)
    assert (run.folder, run.data.name, run.data.score_range, run.test_crops) == (trained, "holiday", (0, 100), 3)
    scorer, again = load_run(str(trained), "cpu")
    assert again == run
    assert (scorer.scale.center, scorer.scale.spread) == (50.0, 20.0)
    assert not scorer.training


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("scale.center", ..., "scale.center is missing"),
        ("scale", ..., "scale.center is missing"),
        ("scale.spread", float("nan"), "scale.spread is nan"),
        ("scale.spread", "20", "scale.spread is '20'"),
        ("data.higher_is_better", 1, "data.higher_is_better is 1"),
        ("data.score_range", [0], "data.score_range.1 is missing"),
        ("data", None, "data.name is missing"),
        ("recipe.test_crops", 0, "recipe.test_crops is 0"),
        ("recipe.test_crops", True, "recipe.test_crops is True"),
        ("model", [], "model is []"),
        ("seed", 1.5, "seed is 1.5"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_file(path, value, message, trained):
    _change(trained, path, value)
    with pytest.raises(CheckpointError) as caught:
        read_run(trained)
    assert message in str(caught.value)
    assert str(trained / "run.json") in str(caught.value)


def test_what_is_no_run(trained, tmp_path):
    with pytest.raises(UnknownName, match=r"unknown run 'rum'; did you mean 'run'\?"):
        read_run(tmp_path / "rum")
    with pytest.raises(CheckpointError, match=r"is a file; give the folder that iqa-zoo train wrote"):
        read_run(trained / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"no run\.json"):
        read_run(tmp_path)
    (trained / "run.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"run\.json is of another version"):
        read_run(trained)
    (trained / "run.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"run\.json does not say 'iqa_zoo run, version 1' as its format"):
        read_run(trained)


def test_a_run_without_weights(trained):
    (trained / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match="has no weights yet"):
        load_run(trained)
