"""Snapshots of a model in its training: the start, the last checkpoint and the selected weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch

from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.identity import identify_weights
from iqa_zoo.inference.run import TrainedRun
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.randomness import seeded
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.state import load_checkpoint
from iqa_zoo.weights import load_weights

SELECTED = "selected weights"
STARTED_FROM_FILE = (
    "The training started from a weights file. Its start is shown as the decoder initialised from the seed, on the trained backbone. "
    "This differs from the true start if the file also held a decoder; --start-weights FILE shows the true start."
)


@dataclass(frozen=True)
class Snapshots:
    """The models by name, in the order of training, the selected one last.

    Attributes:
        models: in eval mode, on the device of the selected one.
        start: the model at the start; its backbone may be the trained one, and then ``about_start`` says so.
        about_start, about_last: notes on what is missing; empty if nothing is.
    """

    models: dict[str, QualityModel]
    start: QualityModel
    about_start: str = ""
    about_last: str = ""


def load_snapshots(run: TrainedRun, selected: QualityModel, start_weights: str | Path | None = None) -> Snapshots:
    """Load the snapshots of a training.

    The start is rebuilt from the run's seed and verified by the hash of its weights. Without the weights file that a training
    started from (``--weights`` or ``--pretrained``), only the decoder is rebuilt, on the trained backbone.

    ``start_weights`` is that file.

    Raises:
        CheckpointError: the training did not start from ``start_weights``.
    """
    device = next(selected.parameters()).device
    with seeded(run.seed):
        start = build_model(run.model, weights=start_weights)
    same = identify_weights(start) == run.initial_weights
    if start_weights is not None and not same:
        raise CheckpointError(
            f"the training in {run.folder} did not start from {start_weights}: the hash of the weights differs"
        )
    name = f"start, seed {run.seed}"
    if not same:
        start.backbone.load_state_dict(selected.backbone.state_dict())
        name += ", trained backbone"
    start = start.to(device).eval()
    last, about_last = _load_last(run.folder, selected)
    return Snapshots({name: start, **last, SELECTED: selected}, start, "" if same else STARTED_FROM_FILE, about_last)


def _load_last(folder: Path, selected: QualityModel) -> tuple[dict[str, QualityModel], str]:
    """Load the model of the last checkpoint, or none and the reason."""
    checkpoint = find_latest_checkpoint(RunFolder(folder).checkpoints)
    if checkpoint is None:
        return {}, "The run keeps no checkpoint: the last step is not shown."
    try:
        tensors, state = load_checkpoint(checkpoint)
        model = copy.deepcopy(selected)
        load_weights(model, tensors["model"])
    except (CheckpointError, KeyError) as error:
        return {}, f"The last checkpoint cannot be read and is not shown: {error}."
    name, now = f"last checkpoint, step {state.get('step')}", selected.state_dict()
    if all(torch.equal(now[key], value) for key, value in model.state_dict().items()):
        return {}, f"The {name}, is the selected weights."
    return {name: model}, ""
