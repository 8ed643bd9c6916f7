"""Weights into a model, strictly: every key, shape and value must fit."""

import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from iqa_zoo.errors import CheckpointError
from iqa_zoo.state_dicts import plain_state_dict, read_state_dict, shorten, without_prefixes

UNCOUNTED = "num_batches_tracked"  # of batch normalisation; older checkpoints lack it


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
    names = set(model.state_dict())
    # A classifier of timm's (head.fc.weight) may have the name of a tensor in a head; only a whole model has backbone.*.
    telling = {name for name in names if name.startswith("backbone.")} or names
    variants = []
    for variant in without_prefixes(state):
        loads = {"": (model, variant)} if telling & set(variant) else _loads(backbone, variant)
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
        return {"": (inner, _as_made(inner, state, getattr(backbone, "left_out", ())))}
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


def _as_made(backbone: nn.Module, state: dict[str, Tensor], left_out: Container[str]) -> dict[str, Tensor]:
    """A timm state dict as the backbone was made: in timm's current layout, without the classifier, a final norm, or the
    tensors that the part left out of timm's model."""
    classifier = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    dropped = [classifier] if isinstance(classifier, str) else list(classifier)
    if isinstance(getattr(backbone, "norm", None), nn.Identity):
        dropped.append("norm")

    def kept(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        own = {key: value for key, value in names.items() if key not in left_out}
        return {key: value for key, value in own.items() if not any(key.startswith(f"{name}.") for name in dropped)}

    convert = getattr(sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None)  # timm's, by convention
    if convert is None or not _problems(backbone, kept(state)):
        return kept(state)
    try:
        return kept(convert(dict(state), backbone))
    except Exception:  # it expects this model's weights in another layout; others are told by their names
        return kept(state)
