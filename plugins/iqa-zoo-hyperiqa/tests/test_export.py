"""An ONNX file of HyperIQA gives the scores of the model."""

from __future__ import annotations

import pytest

from iqa_zoo.testing.export import check_export
from iqa_zoo.testing.random_run import write_random_run

SMALL = {"backbone.name": "test_resnet", "backbone.image_size": 64, "head.trunk": [64], "head.channels": 32}


def test_a_file_gives_the_scores(tmp_path):
    pytest.importorskip("onnxscript", reason="iqa-zoo[export] is not installed")
    pytest.importorskip("onnxruntime", reason="iqa-zoo[export] is not installed")
    run = write_random_run(tmp_path / "run", "hyperiqa", overrides=SMALL, noise=0.3, test_crops=1)
    check_export(run, tmp_path / "m.onnx")
