"""An ONNX file of LIQE gives the scores of the model."""

from __future__ import annotations

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.inference.export.export import export
from iqa_zoo.testing.export import check_export
from iqa_zoo.testing.random_run import write_random_run

SMALL = {
    "backbone.name": "test_vit",
    "backbone.image_size": 64,
    "backbone.width": 16,
    "head.text_width": 16,
    "head.text_layers": 1,
}


def test_a_file_gives_the_scores(tmp_path):
    pytest.importorskip("onnxscript", reason="iqa-zoo[export] is not installed")
    pytest.importorskip("onnxruntime", reason="iqa-zoo[export] is not installed")
    run = write_random_run(tmp_path / "run", "liqe", overrides=SMALL, noise=0.3, test_crops=1)
    check_export(run, tmp_path / "m.onnx")


RELEASED = {key: value for key, value in SMALL.items() if key != "backbone.image_size"}


def test_windows_that_the_batch_chooses_are_no_graph(tmp_path):
    """The released rule takes windows by the number of images in a batch; the message names the other rule."""
    run = write_random_run(tmp_path / "run", "liqe_released", overrides=RELEASED)
    for suffix in (".pt2", ".onnx"):
        if suffix == ".onnx":
            pytest.importorskip("onnxscript", reason="iqa-zoo[export] is not installed")
        with pytest.raises(InputError, match=r"backbone cannot be traced or exported: .*number of images.*'spread'"):
            export(run, tmp_path / f"m{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_windows_of_the_other_rule_are_one(tmp_path):
    overrides = {**RELEASED, "backbone.choice": "spread"}
    run = write_random_run(tmp_path / "run", "liqe_released", overrides=overrides, noise=0.3, test_crops=1)
    check_export(run, tmp_path / "m.pt2")
