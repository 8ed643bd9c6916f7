"""Checkpoints of a training: safetensors and JSON, no pickle, written atomically.

A checkpoint is a folder ``step-00000120`` with ``model.safetensors``, ``optimizer.safetensors``, with a moving average
``ema.safetensors``, and ``state.json``. No random state is kept: each step is seeded from the run's seed and its number.
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
from torch import Tensor

from iqa_zoo.errors import CheckpointError
from iqa_zoo.training.checkpoints import PREFIX, make_write_error
from iqa_zoo.training.shards import shard_like


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> None:
    """Write a checkpoint as ``folder/step-...`` and remove the older ones.

    Args:
        folder: of the checkpoints.
        step: steps done.
        tensors: file stem -> name -> tensor.
        state: the rest, as JSON.

    Raises:
        InputError: the disk is full or the folder cannot be written; names the last good checkpoint.
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
        raise make_write_error(target, error, folder) from error
    for other in folder.glob(f"{PREFIX}*"):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)


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
    """Write tensors as safetensors, atomically."""
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}, partial, metadata)
    os.replace(partial, path)


def collect_optimizer_state(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, Tensor]:
    """Return the optimizer's state by parameter name and kind: ``head.fc.weight/exp_avg``.

    Args:
        optimizer: its state of each parameter must be tensors.
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
    """Load what :func:`collect_optimizer_state` returned."""
    packed: dict[str, Any] = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    named = {names[id(parameter)]: parameter for parameter in parameters}
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, kind = key.rpartition("/")
        if value.shape == named[name].shape:  # in the memory layout of its parameter; another layout rounds differently
            value = shard_like(value, named[name])
            value = torch.empty_like(named[name], dtype=value.dtype).copy_(value)
        by_name.setdefault(name, {})[kind] = value
    packed["state"] = {
        index: by_name[names[id(parameter)]]
        for index, parameter in enumerate(parameters)
        if names[id(parameter)] in by_name
    }
    optimizer.load_state_dict(packed)
