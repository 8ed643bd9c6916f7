"""An ONNX file of MANIQA gives the scores of the model."""

from __future__ import annotations

import pytest

import iqa_zoo
from iqa_zoo.testing.export import check_export
from iqa_zoo.testing.random_run import write_random_run


def shrink(name):
    """The config on a small backbone, with each of its layers once. On a grid of 6 x 6, windows of 4 x 4 are padded and shifted."""
    cfg = iqa_zoo.model_config(name)
    cfg |= {"dim": 64, "interactions": [cfg["interactions"][i] for i in (0, 2, 3)]}
    cfg["backbone"] = {"type": "timm_features", "name": "test_resnet", "stages": [3, 4], "image_size": 64}
    cfg["queries"]["grid"] = 6
    cfg["interactions"][2] |= {"hidden": 8, "stages": 1}
    return cfg


@pytest.mark.parametrize("name", ["maniqa", "maniqa_released"])
def test_a_file_gives_the_scores(name, tmp_path):
    pytest.importorskip("onnxscript", reason="iqa-zoo[export] is not installed")
    pytest.importorskip("onnxruntime", reason="iqa-zoo[export] is not installed")
    run = write_random_run(
        tmp_path / "run", shrink(name), seed=1, noise=0.15, test_crops=1
    )  # of other seeds the last ReLU gives 0
    check_export(run, tmp_path / "m.onnx")
