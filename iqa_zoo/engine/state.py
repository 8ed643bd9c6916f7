"""The state of a training on disk: safetensors and JSON, never a pickle; written beside and renamed, never half.

A checkpoint is a folder ``step-00000120`` with ``model.safetensors``, ``optimizer.safetensors``, with a moving average
``ema.safetensors``, and ``state.json``. No random state is kept: every step seeds itself from the run's seed and its number.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from iqa_zoo.engine.sharded import as_sharded, local
from iqa_zoo.errors import CheckpointError, InputError

PREFIX = "step-"


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> None:
    """Keep a checkpoint as ``folder/step-...`` and remove the older ones.

    Args:
        folder: of the checkpoints.
        step: steps done.
        tensors: file stem -> name -> tensor.
        state: whatever else, as JSON.

    Raises:
        InputError: the disk is full or the folder cannot be written; says which checkpoint is still there.
    """
    target = folder / f"{PREFIX}{step:08d}"
    partial = folder / f"{target.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for stem, named in tensors.items():
            save_tensors(named, partial / f"{stem}.safetensors")
        (partial / "state.json").write_text(json.dumps({**state, "files": sorted(tensors)}), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise not_written(target, error, folder) from error
    for other in folder.glob(f"{PREFIX}*"):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the most steps, or None where there is none."""
    found = sorted(path for path in folder.glob(f"{PREFIX}*") if path.suffix != ".partial")
    return found[-1] if found else None


def load_checkpoint(checkpoint: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Return (file stem -> name -> tensor, state) of a checkpoint.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    try:
        state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
        return {stem: load_file(checkpoint / f"{stem}.safetensors") for stem in state["files"]}, state
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{checkpoint}: damaged ({error}); remove this folder to begin anew") from error


def save_tensors(named: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors, beside and renamed."""
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}, partial, metadata)
    os.replace(partial, path)


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, Tensor]:
    """The optimizer's moments by parameter name and kind: ``head.fc.weight/exp_avg``.

    Args:
        optimizer: any whose state of a parameter is tensors.
        names: ``id(parameter)`` -> name.
    """
    return {
        f"{names[id(parameter)]}/{kind}": value
        for parameter, state in optimizer.state.items()
        for kind, value in state.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str], tensors: Mapping[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_tensors` gave."""
    packed: dict[str, Any] = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    named = {names[id(parameter)]: parameter for parameter in parameters}
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, kind = key.rpartition("/")
        if value.shape == named[name].shape:  # in the memory layout of its parameter: another one rounds differently
            value = as_sharded(value, named[name])
            value = torch.empty_like(named[name], dtype=value.dtype).copy_(value)
        by_name.setdefault(name, {})[kind] = value
    packed["state"] = {
        index: by_name[names[id(parameter)]]
        for index, parameter in enumerate(parameters)
        if names[id(parameter)] in by_name
    }
    optimizer.load_state_dict(packed)


class MovingAverage:
    """An exponential moving average of a model's parameters beside its buffers as they are; sharded where the model is.

    Args:
        model: what is averaged.
        past: weight of what was averaged before, between 0 and 1; the first update counts alone.

    Attributes:
        tensors: the average, by the names of the model's state dict.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = MovingAverage(model, past=0.75)
    >>> for value in (1.0, 5.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update(model)
    >>> average.tensors["weight"].item()
    2.0
    """

    def __init__(self, model: nn.Module, past: float):
        self.past, self.updates = past, 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        for name, tensor in model.state_dict().items():
            average, now = local(self.tensors[name]), local(tensor)
            if self.updates and name in parameters:
                average.lerp_(now, 1 - self.past)
            else:
                average.copy_(now)
        self.updates += 1

    def state_dict(self) -> dict[str, Tensor]:
        named = {f"module.{name}": tensor for name, tensor in self.tensors.items()}
        return {"steps": torch.tensor(self.updates), **named}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_dict` gave, whole."""
        self.updates = int(tensors["steps"])
        for name, average in self.tensors.items():
            local(average).copy_(local(as_sharded(tensors[f"module.{name}"], average)))


def not_written(path: Path, error: Exception, checkpoints: Path) -> InputError:
    """The error of a disk that is full or a folder that cannot be written, with what is left to go on from."""
    reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    last = latest_checkpoint(checkpoints)
    if last is None:
        return InputError(f"{path}: cannot be written ({reason}); there is no checkpoint yet: name another folder")
    return InputError(
        f"{path}: cannot be written ({reason}); the last good checkpoint is {last}: make room and go on with --resume"
    )
