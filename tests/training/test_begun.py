"""The arguments of a training come back from its folder, with absolute paths."""

import json
from pathlib import Path

import pytest

from iqa_zoo.data.loading import DataSource
from iqa_zoo.errors import CheckpointError
from iqa_zoo.training.begun import BegunRun, note_arguments, read_begun_run
from iqa_zoo.training.run_folder import FORMAT


@pytest.fixture
def write(tmp_path):
    def write(arguments, **changes):
        run = {"format": FORMAT, "recipe_name": "quick", "seed": 3, "selection": "last", "peek": True}
        (tmp_path / "run.json").write_text(json.dumps({**run, "arguments": arguments, **changes}))
        return tmp_path

    return write


def test_arguments_come_back(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = DataSource("table", Path("photos"), (("image", "file"), ("mos", "score")), True)
    given = dict(weights=Path("w.safetensors"), pretrained=False, save_steps=5, trackers=("tensorboard",))
    begun = read_begun_run(write(note_arguments(source, **given)))
    assert begun == BegunRun(
        DataSource("table", tmp_path / "photos", source.options, True),
        "quick",
        3,
        "last",
        True,
        tmp_path / "w.safetensors",
        False,
        5,
        ("tensorboard",),
    )


def test_a_dataset_without_a_folder(write):
    noted = note_arguments(DataSource("demo"), weights=None, pretrained=True, save_steps=None, trackers=())
    begun = read_begun_run(write(noted))
    assert (begun.source, begun.weights, begun.pretrained) == (DataSource("demo"), None, True)


@pytest.mark.parametrize("arguments", [None, 3])
def test_a_run_that_did_not_keep_them(write, arguments):
    with pytest.raises(CheckpointError, match="does not say how it was begun"):
        read_begun_run(write(arguments))


@pytest.mark.parametrize("arguments", [{}, {"data": "demo", "root": 3}])
def test_damaged_arguments(write, arguments):
    with pytest.raises(CheckpointError, match="run.json: the arguments are damaged"):
        read_begun_run(write(arguments))
