"""Weights into a model: safetensors, or plain state dicts that load without running a pickle's code."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from iqa_zoo.errors import CheckpointError

WRAPPERS = ("model", "state_dict")  # keys under which training scripts keep the state dict


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from a torch file with ``weights_only=True``.

    Raises:
        CheckpointError: no such file, damaged, or a pickle that holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a plain state dict ({str(error).splitlines()[0]}). Only tensors are read, never pickled code: "
            "save it with safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        ) from error
    return plain_state_dict(loaded, str(path))


def plain_state_dict(loaded: object, where: str) -> dict[str, Tensor]:
    """Return ``loaded`` if it is a state dict, or the state dict under ``model`` or ``state_dict`` in it.

    Raises:
        CheckpointError: it is neither; says what it is.
    """
    if isinstance(loaded, Mapping):
        for key in WRAPPERS:
            if isinstance(loaded.get(key), Mapping):
                loaded = loaded[key]
                break
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{where}: expected a state dict (names and tensors), got {type(loaded).__name__}")
    wrong = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]
    if wrong:
        raise CheckpointError(f"{where}: a state dict holds tensors only, these are not: {shorten(wrong)}")
    return {str(key).removeprefix("module."): value for key, value in loaded.items()}


def shorten(names: Iterable[str], most: int = 12) -> str:
    """Join names, the first ``most`` of them and how many more there are.

    >>> shorten(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = sorted(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def load_weights(model: nn.Module, weights: str | Path | Mapping[str, Tensor]) -> None:
    """Load the weights of a whole model, or of its backbone alone, strictly, in the model's own precision.

    A file of a backbone may also hold its classifier, which is left out. Every key and shape must fit.

    Raises:
        CheckpointError: keys or shapes that do not fit; all are listed.
    """
    where = str(weights) if isinstance(weights, str | Path) else "the state dict"
    state = read_state_dict(weights) if isinstance(weights, str | Path) else plain_state_dict(weights, where)
    target = model
    if not set(state) & set(model.state_dict()):
        target = getattr(model.backbone, "model", model.backbone)
        state = _without_classifier(target, state)
    own = target.state_dict()
    problems = []
    if missing := set(own) - set(state):
        problems.append(f"missing: {shorten(missing)}")
    if unknown := set(state) - set(own):
        problems.append(f"unknown: {shorten(unknown)}")
    for name in sorted(set(own) & set(state)):
        if own[name].shape != state[name].shape:
            problems.append(f"{name} is {tuple(state[name].shape)}, the model has {tuple(own[name].shape)}")
    if problems:
        what = "this model" if target is model else "this model, nor its backbone"
        raise CheckpointError(
            f"{where} does not hold the weights of {what}:\n  - " + "\n  - ".join(problems[:20]) + "\n"
            "A checkpoint of the authors' own code is read with iqa_zoo.import_released(system, state_dict)"
        )
    target.load_state_dict(state)


def _without_classifier(backbone: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A timm state dict without what the backbone was made without: the classifier, the final norm."""
    classifier = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    dropped = [classifier] if isinstance(classifier, str) else list(classifier)
    if isinstance(getattr(backbone, "norm", None), nn.Identity):
        dropped.append("norm")
    return {key: value for key, value in state.items() if not any(key.startswith(f"{name}.") for name in dropped)}
