"""From a config dict to a model, slot by slot; sizes are handed down, errors carry the config path."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from iqa_zoo.allocation import allocating, within_memory
from iqa_zoo.config import (
    LISTS,
    Config,
    check_config,
    is_run_folder,
    load_config,
    part_parameters,
    resolve_config,
    slots_inside,
)
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.contracts import HANDED_DOWN, FeatureSpec, HasScales, SetsNestedKeys, find_width, has_flag
from iqa_zoo.errors import CheckpointError, ConfigError, NestedPartError, PartError
from iqa_zoo.hub.address import is_address
from iqa_zoo.quality_model import GivenFeatures, QualityModel
from iqa_zoo.registry import SLOTS
from iqa_zoo.trained.names import list_trained
from iqa_zoo.weights import load_weights


def build_model(
    cfg: str | Path | Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    pretrained: bool = False,
    weights: str | Path | Mapping[str, Tensor] | None = None,
) -> QualityModel:
    """Build a model from a zoo name, a config dict, or a path to a .yaml or .json file.

    Args:
        cfg: what to build.
        overrides: values to replace by dotted path, for example ``{"head.num_experts": 8}``.
        pretrained: load the backbone's ImageNet weights: from an installed package where there is one for it
            (:mod:`iqa_zoo.packaged_weights`), otherwise timm's, from the model hub.
        weights: a file (safetensors, or a plain state dict that loads with ``weights_only=True``) or a state dict,
            of the whole model or of its backbone alone. The scores of a model with the weights of a training are not on the
            scale of its labels: :func:`iqa_zoo.load` returns a trained model with its scale.

    Raises:
        ConfigError: every problem of the config at once, each with its config path.
        CheckpointError: weights that do not fit or cannot be fetched, or that are a trained model (the folder of a training, or a
            name); says to load it with :func:`iqa_zoo.load`.

    >>> model = build_model("deiqt", overrides={"backbone.name": "deit_tiny_patch16_224"})
    >>> type(model.head).__name__, model.backbone.spec.image_size
    ('LinearHead', 224)
    """
    if isinstance(weights, str | Path):
        _refuse_trained_model(weights)
    model = _build(apply_overrides(load_config(cfg), overrides), pretrained=pretrained)
    if weights is not None:
        load_weights(model, weights)
    return model


def build_decoder(cfg: str | Path | Mapping[str, Any], spec: FeatureSpec) -> QualityModel:
    """Build a config's model without its backbone: its input is ``Features`` that fit ``spec``."""
    return _build(load_config(cfg), spec=spec)


def build_backbone(cfg: str | Path | Mapping[str, Any], *, pretrained: bool = False) -> nn.Module:
    """Build the backbone of a config alone."""
    slot = load_config(cfg)["backbone"]

    def assemble(pretrained: bool = False) -> nn.Module:
        problems: list[str] = []
        backbone: nn.Module | None = _make("backbone", "backbone", slot, {"pretrained": pretrained}, problems)
        if problems or backbone is None:
            raise ConfigError(problems)
        return backbone

    return within_memory(lambda: assemble(pretrained), assemble)


def build_part(slot: str, part: Mapping[str, Any], handed_down: Mapping[str, Any]) -> Any:
    """Build one part alone, from its config and from what is handed down, and first the parts that its keys hold.

    Raises:
        UnknownName, PluginError: no such part, or a plugin's that cannot be imported.
        NestedPartError: every nested part that cannot be built, by its key and number.
        PartError: the part cannot be built.

    >>> build_part("head", dict(type="linear"), {"dim": 4}).fc.in_features
    4
    >>> build_part("backbone", dict(type="multi_backbone", branches=[dict(type="nss", stages=[5])]), {})
    Traceback (most recent call last):
    iqa_zoo.errors.NestedPartError: branches.0: 'nss' has no stage 5; it has the stages 1, 2, 3, 4
    """
    constructor = SLOTS[slot].get(part["type"])
    nested: dict[str, list[Any]] = {}
    problems: list[str] = []
    for key, inside in slots_inside(slot, part).items():
        given = part.get(key, part_parameters(slot, part["type"])[key].default)
        if given is not inspect.Parameter.empty:  # else the constructor says that the key is missing
            configs = _complete_nested(constructor, part, inside, given)
            nested[key] = [_make(inside, f"{key}.{i}", each, handed_down, problems) for i, each in enumerate(configs)]
    if problems:
        raise NestedPartError(problems)
    wanted = inspect.signature(constructor).parameters
    handed = {name: handed_down[name] for name in HANDED_DOWN[slot] if name in wanted and name in handed_down}
    return SLOTS[slot].build({**part, **nested}, **handed)


def _complete_nested(constructor: Any, part: Mapping[str, Any], inside: str, given: Any) -> list[Config]:
    """The configs of nested parts, with the keys that the part around them sets."""
    configs = [dict(each) for each in given]
    if isinstance(constructor, SetsNestedKeys):
        for number, each in enumerate(configs):
            takes = part_parameters(inside, each["type"])
            own = constructor.nested_keys(number, part)
            each.update({name: value for name, value in own.items() if name in takes})
    return configs


def _build(cfg: Config, *, pretrained: bool = False, spec: FeatureSpec | None = None) -> QualityModel:
    return within_memory(lambda: _assemble(cfg, pretrained, spec), lambda: _assemble(cfg, False, spec))


def _assemble(cfg: Config, pretrained: bool, spec: FeatureSpec | None) -> QualityModel:
    problems = check_config(cfg)
    wrong = {problem.split(":")[0] for problem in problems}  # config paths whose names, keys or types are wrong

    def is_bad(path: str) -> bool:
        return any(f"{known}.".startswith(f"{path}.") for known in wrong)

    made: dict[str, Any] = {"memory": None, "interactions": [], "losses": {}}

    if spec is not None:
        made["backbone"] = GivenFeatures(spec=spec)
    elif not is_bad("backbone"):
        made["backbone"] = _make("backbone", "backbone", cfg["backbone"], {"pretrained": pretrained}, problems)
    backbone = made.get("backbone")
    features = backbone.spec if backbone is not None else None
    dim = None if is_bad("dim") else cfg.get("dim") or (features and features.global_channels)

    # A part is tried when what is handed down to it is known, so that one report holds all problems.
    down: dict[str, Any] = {"dim": dim, "features": features}
    for slot in ("queries", "memory"):
        if not is_bad(slot) and cfg.get(slot) is not None and dim and features:
            made[slot] = _make(slot, slot, cfg[slot], down, problems)
    queries = made.get("queries")
    # Without queries there will be no model, only a report; any N lets the other parts be tried.
    down["num_queries"] = queries.num_queries if queries is not None else 1
    down["dim"] = find_width(queries, dim)
    need_routing: list[tuple[str, str]] = []
    for slot in ("interactions", "head", "losses"):
        if slot in wrong or not cfg.get(slot) or (not dim and slot != "losses"):
            continue
        for i, part in enumerate(cfg[slot] if slot in LISTS else [cfg[slot]]):
            path = f"{slot}.{i}" if slot in LISTS else slot
            if is_bad(path):
                continue
            keys = {key: value for key, value in part.items() if key != "weight" or slot != "losses"}
            built = _make(slot, path, keys, down, problems)
            if slot == "interactions":
                made[slot].append(built)
                if has_flag(built, "needs_memory") and (problem := _memory_problem(built, cfg, made, down, dim)):
                    problems.append(f"{path}: {part['type']!r} {problem}")
                down["dim"] = find_width(built, down["dim"])
            elif slot == "losses":
                made[slot][part["type"]] = (part.get("weight", 1.0), built)
                if has_flag(built, "needs_routing"):
                    need_routing.append((path, part["type"]))
            else:
                made[slot] = built
    routes = any(has_flag(part, "routes") for part in (*made["interactions"], made.get("head")))
    if made.get("head") is not None and not routes:
        problems += [
            f"{path}: {name!r} reads the routing of a mixture of experts, and no part here has one; leave the loss out"
            for path, name in need_routing
        ]
    if problems:
        raise ConfigError(problems)
    return QualityModel(**made, config=resolve_config({**cfg, "dim": dim}))


def _refuse_trained_model(weights: str | Path) -> None:
    """Refuse the folder of a training and the name of a trained model, whose scale a plain model would lose."""
    if is_run_folder(weights):
        kind, file = (
            "folder of a training",
            f" To start a training from its weights, give {Path(weights) / 'weights.safetensors'}",
        )
    elif not Path(weights).exists() and str(weights) in list_trained():
        kind, file = "name of a trained model", ""
    elif is_address(weights):
        kind, file = "address of a trained model", ""
    else:
        return
    raise CheckpointError(
        f"weights={str(weights)!r} is the {kind}; its scores are on the scale of the labels it was trained on, and those of a "
        f"model built here would not be. Load it with iqa_zoo.load({str(weights)!r}).{file}"
    )


def _memory_problem(
    block: Any, cfg: Config, made: Mapping[str, Any], down: Mapping[str, Any], memory_dim: int | None
) -> str | None:
    """Why a block that reads the memory cannot read this one, or None."""
    if cfg.get("memory") is None:
        return "attends to the memory, and memory is None"
    if down["dim"] != memory_dim:
        return f"reads the memory, {memory_dim} wide, and the queries are {down['dim']} wide here; put it before the change"
    asked, there = (each.num_scales if isinstance(each, HasScales) else 1 for each in (block, made["memory"]))
    if asked != 1 and made["memory"] is not None and asked != there:
        return f"reads one of num_scales={asked} scales, and the memory {cfg['memory']['type']!r} holds {there}"
    return None


def _make(slot: str, path: str, part: Mapping[str, Any], down: Mapping[str, Any], problems: list[str]) -> Any:
    """Make one part, or note why it cannot be made and return None."""
    wanted = inspect.signature(SLOTS[slot].get(part["type"])).parameters
    if any(name in wanted and name in down and down[name] is None for name in HANDED_DOWN[slot]):
        return None  # the part that it comes from could not be made, and is reported
    try:
        with allocating(path):
            return build_part(slot, part, down)
    except NestedPartError as error:
        problems += [f"{path}.{problem}" for problem in error.problems]
        return None
    except PartError as error:
        problems.append(f"{path}: {error}")
        return None
    except Exception as error:  # not ours to explain: keep it as it is, and say where it happened
        error.add_note(f"while building {path} = {dict(part)}")
        raise
