"""A run's model at the moments of its training that are still there: the start, the last checkpoint, what was selected."""

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
FROM_A_FILE = (
    "The training began from weights in a file: its start is shown as the decoder that its seed gives (true unless the file "
    "held a decoder as well), on the trained backbone; --start-weights FILE shows the true start."
)


@dataclass(frozen=True)
class Moments:
    """The models by what each is, in the order of training, the selected one last.

    Attributes:
        models: in eval mode, on the device of the selected one.
        start: as the training began, for its decoder: its backbone may be another, and a note says so.
        about_start, about_last: sentences on what is missing; empty for nothing.
    """

    models: dict[str, QualityModel]
    start: QualityModel
    about_start: str = ""
    about_last: str = ""


def moments_of(run: TrainedRun, selected: QualityModel, start_weights: str | Path | None = None) -> Moments:
    """Find the moments of a training.

    The start is built anew from the run's seed and recognised by the hash of its weights. A training that began from a
    file (``--weights`` or ``--pretrained``) cannot be built anew without that file: its decoder is, and stands on the
    trained backbone.

    Args:
        run: the training.
        selected: its model, as :func:`iqa_zoo.inference.load_run.load_run` loads it.
        start_weights: the file that the training began from.

    Raises:
        CheckpointError: ``start_weights`` is not the file that the training began from.
    """
    device = next(selected.parameters()).device
    with seeded(run.seed):
        start = build_model(run.model, weights=start_weights)
    same = identify_weights(start) == run.initial_weights
    if start_weights is not None and not same:
        raise CheckpointError(
            f"{start_weights} is not what the training in {run.folder} began from: the weights' hash differs"
        )
    name = f"start, seed {run.seed}"
    if not same:
        start.backbone.load_state_dict(selected.backbone.state_dict())
        name += ", trained backbone"
    start = start.to(device).eval()
    last, about_last = _last(run.folder, selected)
    return Moments({name: start, **last, SELECTED: selected}, start, "" if same else FROM_A_FILE, about_last)


def _last(folder: Path, selected: QualityModel) -> tuple[dict[str, QualityModel], str]:
    """The model of the last checkpoint by its name, or none and why."""
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
