"""Weights into a model: safetensors, or plain state dicts that load without running a pickle's code."""

import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from iqa_zoo.data.formats import guess_content
from iqa_zoo.errors import CheckpointError, not_one_of

WRAPPERS = ("model", "state_dict")  # keys under which training scripts keep the state dict, where there are several
PREFIXES = ("module.", "_orig_mod.")  # what DistributedDataParallel, averaging and torch.compile put before every name
KEY = "::"  # between a file and the key of one state dict in it
UNCOUNTED = "num_batches_tracked"  # of batch normalisation; older checkpoints lack it


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a safetensors file, or from a torch file with ``weights_only=True``.

    Which of the two a file is shows in its first bytes, whatever its suffix. ``FILE::KEY`` names one of several state
    dicts in a torch file.

    Raises:
        CheckpointError: no such file, damaged, a pickle that holds more than tensors, or several state dicts; names
            what there is to choose from.
    """
    path, key = split_key(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe or a device may never end
        raise CheckpointError(f"{path}: is not a regular file")
    first = b""
    try:
        with path.open("rb") as file:
            first = file.read(64)
            if first[8:9] == b"{":
                loaded: object = load_file(path)
            else:
                file.seek(0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of pickle protocols; the outcome is what counts
                    loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: is a folder; give a file of weights in it") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    except Exception as error:  # a damaged file can fail in any way; whichever it was, the file is at fault
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        content = "" if first.startswith(b"PK") else guess_content(first)  # a torch file is a ZIP archive
        otherwise = f"it looks like {content}" if content else "it is damaged or something else"
        held = f"it holds {code[1]}, which is code" if code else otherwise
        raise CheckpointError(
            f"{path}: not a plain state dict ({held}). Only tensors are read, never pickled code: save it with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        ) from error
    return plain_state_dict(loaded, str(path), key)


def split_key(path: str | Path) -> tuple[Path, str]:
    """Split ``FILE::KEY`` into the file and the key, which is empty where there is none.

    >>> split_key("last.pth::params_ema")
    (PosixPath('last.pth'), 'params_ema')
    """
    file, _, key = str(path).partition(KEY)
    return (Path(path), "") if Path(path).exists() else (Path(file), key)


def plain_state_dict(loaded: object, where: str, key: str = "") -> dict[str, Tensor]:
    """Return the state dict that a checkpoint is or holds, without the prefixes of wrappers.

    Args:
        loaded: a state dict, or a mapping that holds one, at most two keys deep, beside anything else.
        where: how messages call it.
        key: which one, where there are several ("ema.module" for two keys); by default the only one, or the only one
            under ``WRAPPERS``.

    Raises:
        CheckpointError: it holds none, several, or tensors that are not plain (sparse, quantized); says what it holds.

    >>> weights = {"module.fc.bias": torch.zeros(3), "n_averaged": torch.tensor(7)}
    >>> list(plain_state_dict({"epoch": 3, "params": weights}, "the checkpoint"))
    ['fc.bias']
    """
    held = _find_states(loaded)
    if key:
        if key not in held:
            raise CheckpointError(where + ": " + not_one_of(key, held, "key of a state dict"))
        state = held[key]
    else:
        state = _choose(held, loaded, where)
    if all(name == "n_averaged" or name.startswith("module.") for name in state):
        state.pop("n_averaged", None)  # how many models torch averaged
    while found := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None):
        state = {name.removeprefix(found): value for name, value in state.items()}
    if odd := [name for name, value in state.items() if not _is_plain(value)]:
        raise CheckpointError(
            f"{where}: {len(odd)} tensors are sparse, quantized, complex or without data (meta), not plain numbers: "
            f"{shorten(odd)}; save the weights as plain tensors"
        )
    return state


def _is_plain(value: Tensor) -> bool:
    return not (value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta)


def _find_states(loaded: object, depth: int = 2) -> dict[str, dict[str, Tensor]]:
    """The state dicts in a checkpoint by the keys that lead to them, joined by dots; "" for the checkpoint itself."""
    if not isinstance(loaded, Mapping) or not loaded:
        return {}
    if all(isinstance(value, Tensor) for value in loaded.values()):
        return {"": {str(name): value for name, value in loaded.items()}}
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in loaded.items() if depth else ():
        found |= {
            f"{key}.{inner}" if inner else str(key): state for inner, state in _find_states(value, depth - 1).items()
        }
    return found


def _choose(held: Mapping[str, dict[str, Tensor]], loaded: object, where: str) -> dict[str, Tensor]:
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{where}: expected a state dict (names and tensors), got {type(loaded).__name__}")
    usual = [key for key in WRAPPERS if isinstance(loaded.get(key), Mapping)]
    averaged = [key for key in held if "ema" in key.lower() or "averag" in key.lower()]
    if len(held) > 1 and len(usual) == 1 and usual[0] in held and not averaged:
        return held[usual[0]]
    if len(held) > 1:
        each = shorten(f"{key} ({len(state)} tensors)" for key, state in held.items())
        raise CheckpointError(
            f"{where} holds {len(held)} state dicts: {each}; name one, as in FILE{KEY}{next(iter(held))}"
            + (f" ({averaged[0]} is an average over the training)" if averaged else "")
        )
    if not held or (usual and usual[0] not in held):
        inner = loaded[usual[0]] if usual else loaded
        wrong = [str(name) for name, value in inner.items() if not isinstance(value, Tensor)]
        raise CheckpointError(f"{where}: a state dict holds tensors only, these are not: {shorten(wrong)}")
    return next(iter(held.values()))


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
    ``branches.1.`` and so on, each branch in either way. Every key and shape must fit. A prefix of all names (``model.``
    of Lightning) is taken off where they fit better without it.

    Raises:
        CheckpointError: keys or shapes that do not fit; all are listed. Or integers (a quantized checkpoint) or values that are
            not finite; names the tensor.
    """
    where = str(weights) if isinstance(weights, str | Path) else "the state dict"
    state = read_state_dict(weights) if isinstance(weights, str | Path) else plain_state_dict(weights, where)
    backbone: Any = model.backbone
    variants = []
    for variant in without_prefixes(state):
        loads = {"": (model, variant)} if set(model.state_dict()) & set(variant) else _loads(backbone, variant)
        problems = [
            f"{at.removesuffix('.')}: {problem}" if at else problem
            for at, (target, own) in loads.items()
            for problem in _problems(target, own)
        ]
        variants.append((loads, problems))
        if not problems:
            break
    # Where none fits, the one of which most fits says best what is wrong.
    loads, problems = max(
        variants, key=lambda each: (not each[1], sum(_count_fitting(*load) for load in each[0].values()))
    )
    if problems:
        what = "this model" if loads.get("", (None,))[0] is model else "this model, nor its backbone"
        raise CheckpointError(
            f"{where} does not hold the weights of {what}:\n  - " + "\n  - ".join(problems) + "\n"
            "A checkpoint of the authors' own code is read with iqa_zoo.import_released(system, state_dict)"
        )
    for target, own in loads.values():
        check_values(target, own, where)
    for target, own in loads.values():
        uncounted = {name: value for name, value in target.state_dict().items() if name.endswith(UNCOUNTED)}
        target.load_state_dict({**uncounted, **own})


def without_prefixes(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield a state dict, then without the first part of its names as long as all names share it.

    >>> [list(each) for each in without_prefixes({"model.net.a": torch.zeros(1), "model.net.b.c": torch.zeros(1)})]
    [['model.net.a', 'model.net.b.c'], ['net.a', 'net.b.c'], ['a', 'b.c']]
    """
    yield state
    while len(first := {name.partition(".")[0] for name in state}) == 1 and all("." in name for name in state):
        state = {name.removeprefix(f"{next(iter(first))}."): value for name, value in state.items()}
        yield state


def _count_fitting(target: nn.Module, state: Mapping[str, Tensor]) -> int:
    return sum(name in state and value.shape == state[name].shape for name, value in target.state_dict().items())


def check_values(
    target: nn.Module, state: Mapping[str, Tensor], where: str, names: Mapping[str, str] | None = None
) -> None:
    """Refuse integers where a module has fractions, parameters that are not finite and buffers with NaN; a mask may be
    infinite by design. ``names`` gives the name in messages of each tensor of the module; its own name where left out.

    Raises:
        CheckpointError: names the tensor and what it holds.
    """
    parameters = {name for name, _ in target.named_parameters()}
    for name, own in target.state_dict().items():
        if name not in state or not own.is_floating_point():
            continue
        shown = names[name] if names else name
        if not state[name].is_floating_point():
            raise CheckpointError(
                f"{where}: {shown} holds {state[name].dtype}, and the model has {own.dtype}; quantized weights are not read"
            )
        value = state[name].to(own.dtype)  # in half precision a large value becomes infinite
        wrong = ~value.isfinite() if name in parameters else value.isnan()
        if wrong.any():
            raise CheckpointError(
                f"{where}: {int(wrong.sum())} of {wrong.numel()} values of {shown} are not finite, the first is "
                f"{value[wrong][0].item()}; the training that wrote them failed, or the file is damaged"
            )


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
    if missing := {name for name in set(own) - set(state) if not name.endswith(UNCOUNTED)}:
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
