"""Load the model of a training, ready to score."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.inference.run import TrainedRun, read_run
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.state_dicts import read_state_dict
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.label_scale import LabelScale
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.weights import load_weights


def load_run(folder: str | Path, device: str | None = None) -> tuple[ScaledModel, TrainedRun]:
    """Return the model of a finished or running training at its selected epoch, in eval mode, and the run's description.

    Args:
        folder: of the training, or its address on a hub.
        device: as torch names it; CUDA where there is one.

    Raises:
        UnknownName: there is no such folder.
        HubError: it cannot be fetched.
        CheckpointError: not a run, a damaged one, or one without weights yet.
    """
    run = read_run(folder)
    weights = RunFolder(run.folder).weights
    if not weights.is_file():
        raise CheckpointError(
            f"{run.folder} has no weights yet: no epoch was finished; go on with iqa-zoo train --resume"
        )
    model = build_model(run.model)
    load_weights(model, read_state_dict(weights))
    scorer = ScaledModel(model, scale=LabelScale(run.center, run.spread))
    return scorer.place(select_device(device)).eval(), run
