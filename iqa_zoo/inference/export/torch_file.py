"""A model as a program of torch.export, which runs without iqa_zoo and timm."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from iqa_zoo.inference.export.graph import ScoreGraph, record_graph
from iqa_zoo.inference.scaled_model import ScaledModel

METADATA = "iqa_zoo.json"  # the extra file of a .pt2 with the metadata


def make_program(model: ScaledModel, crops: int) -> ExportedProgram:
    """Return the program of a model: uint8 ``image`` (batch, height, width, 3) of any size -> score_B.

    Args:
        model: in eval mode.
        crops: an image is scored as the mean of so many crops.
    """
    return record_graph(ScoreGraph(model, crops, resizes=True))


def save_program(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a .pt2 file with metadata."""
    file = io.BytesIO()
    with warnings.catch_warnings():  # of parameters that share a tensor; each is stored whole
        warnings.filterwarnings("ignore", message="No complete tensor found in the group", category=UserWarning)
        torch.export.save(program, file, extra_files={METADATA: json.dumps(dict(metadata), indent=1)})
    return file.getvalue()


class TorchRunner:
    """Scores by a .pt2 file."""

    def __init__(self, content: bytes):
        self.module = torch.export.load(io.BytesIO(content)).module()
        self.name = f"torch {torch.__version__}"

    @torch.no_grad()
    def __call__(self, image_BHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        score_B: torch.Tensor = self.module(torch.from_numpy(image_BHWC))
        return score_B.numpy()
