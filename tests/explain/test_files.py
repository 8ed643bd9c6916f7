"""Figures are written as their suffix says, the same each time; what an earlier call left is removed."""

import json

import pytest
from matplotlib.figure import Figure

from iqa_zoo.errors import InputError
from iqa_zoo.explain.dataset_figures import NAMES
from iqa_zoo.explain.files import write_dataset_files
from iqa_zoo.reports.plots import write_figure


def test_a_figure_is_the_same_each_time(tmp_path):
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        for name in ("a", "b"):
            write_figure(Figure(), tmp_path / f"{name}{suffix}")
        content = (tmp_path / f"a{suffix}").read_bytes()
        assert content.startswith(start)
        assert content == (tmp_path / f"b{suffix}").read_bytes()


def test_figures_of_an_earlier_call_are_removed(tmp_path):
    folder = tmp_path / "run" / "explain"
    first, second = NAMES[:2]
    write_dataset_files(folder, {first: Figure(), second: Figure()}, {"a": 1}, "text\n")
    write_dataset_files(folder, {first: Figure()}, {"a": 2}, "text\n")
    assert {path.name for path in folder.iterdir()} == {f"{first}.png", f"{first}.svg", "explain.json", "explain.txt"}
    assert json.loads((folder / "explain.json").read_text()) == {"a": 2}


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_dataset_files(tmp_path / "file" / "explain", {}, {}, "")
