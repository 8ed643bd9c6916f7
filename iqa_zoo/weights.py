"""Weights into a model: safetensors, or plain state dicts that load without running a pickle's code."""

from __future__ import annotations

import hashlib
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from iqa_zoo.errors import CheckpointError

WRAPPERS = ("model", "state_dict")  # keys under which training scripts keep the state dict
PREFIXES = ("module.", "_orig_mod.")  # what DistributedDataParallel and torch.compile put before every name


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from a torch file with ``weights_only=True``.

    Raises:
        CheckpointError: no such file, damaged, or a pickle that holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    try:
        if path.suffix.lower() == ".safetensors":
            return plain_state_dict(load_file(path), str(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; the outcome says it all
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way; whichever it was, the file is at fault
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        held = f"it holds {code[1]}, which is code" if code else "it is damaged or something else"
        raise CheckpointError(
            f"{path}: not a plain state dict ({held}). Only tensors are read, never pickled code: save it with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
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
    state = {str(key): value for key, value in loaded.items()}
    while found := next((prefix for prefix in PREFIXES if all(key.startswith(prefix) for key in state)), None):
        state = {key.removeprefix(found): value for key, value in state.items()}
    return state


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

    A backbone's may be the part's own or timm's, current or in an older layout that timm converts, with or without
    the classifier, which is left out. Those of a backbone of several branches stand under ``branches.0.``,
    ``branches.1.`` and so on, each branch in either way. Every key and shape must fit.

    Raises:
        CheckpointError: keys or shapes that do not fit; all are listed.
    """
    where = str(weights) if isinstance(weights, str | Path) else "the state dict"
    state = read_state_dict(weights) if isinstance(weights, str | Path) else plain_state_dict(weights, where)
    backbone: Any = model.backbone
    loads = {"": (model, state)} if set(model.state_dict()) & set(state) else _loads(backbone, state)
    problems = [
        f"{at.removesuffix('.')}: {problem}" if at else problem
        for at, (target, own) in loads.items()
        for problem in _problems(target, own)
    ]
    if problems:
        what = "this model" if loads.get("", (None,))[0] is model else "this model, nor its backbone"
        raise CheckpointError(
            f"{where} does not hold the weights of {what}:\n  - " + "\n  - ".join(problems) + "\n"
            "A checkpoint of the authors' own code is read with iqa_zoo.import_released(system, state_dict)"
        )
    for target, own in loads.values():
        target.load_state_dict(own)


Loads = dict[
    str, tuple[nn.Module, dict[str, Tensor]]
]  # where a module stands in the backbone -> it, and its state dict


def _loads(backbone: nn.Module, state: dict[str, Tensor]) -> Loads:
    """What a backbone's state dict is loaded into: the part or the timm model inside it, of each branch where it has some."""
    if set(backbone.state_dict()) == set(state):
        return {"": (backbone, state)}
    branches = getattr(backbone, "branches", None)
    if not isinstance(branches, nn.ModuleList):
        inner = getattr(backbone, "model", backbone)
        if inner is backbone or set(backbone.state_dict()) & set(state):
            return {"": (backbone, state)}
        return {"": (inner, _as_made(inner, state))}
    loads: Loads = {}
    for i, branch in enumerate(branches):
        at = f"branches.{i}."
        own = {name.removeprefix(at): value for name, value in state.items() if name.startswith(at)}
        loads |= {f"{at}{below}": load for below, load in _loads(branch, own).items()}
    if nobodys := {name: value for name, value in state.items() if not any(name.startswith(at) for at in loads)}:
        loads[""] = (nn.Module(), nobodys)  # holds nothing: all of them are reported as unknown
    return loads


def _problems(target: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """What keeps a state dict from being loaded strictly."""
    own = target.state_dict()
    problems = []
    if missing := set(own) - set(state):
        problems.append(f"missing: {shorten(missing)}")
    if unknown := set(state) - set(own):
        problems.append(f"unknown: {shorten(unknown)}")
    wrong = [name for name in own if name in state and own[name].shape != state[name].shape]
    problems += [f"{name} is {tuple(state[name].shape)}, the model has {tuple(own[name].shape)}" for name in wrong[:20]]
    return problems + ([f"{len(wrong) - 20} more shapes"] if len(wrong) > 20 else [])


def _as_made(backbone: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A timm state dict as the backbone was made: in timm's current layout, without the classifier or a final norm."""
    classifier = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    dropped = [classifier] if isinstance(classifier, str) else list(classifier)
    if isinstance(getattr(backbone, "norm", None), nn.Identity):
        dropped.append("norm")

    def kept(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: value for key, value in names.items() if not any(key.startswith(f"{name}.") for name in dropped)}

    convert = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)  # timm's, by convention
    if convert is None or not _problems(backbone, kept(state)):
        return kept(state)
    try:
        return kept(convert(dict(state), backbone))
    except Exception:  # it expects this model's weights in another layout; others are told by their names
        return kept(state)


def fingerprint(model: nn.Module) -> str:
    """A hash of a model's weights: of the names and values of its state dict."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
