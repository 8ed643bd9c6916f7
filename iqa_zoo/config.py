"""Load, check, resolve and dump model configs, which are plain dicts.

A config has the keys ``dim`` and one per slot; a slot holds ``dict(type=NAME, ...)``, ``interactions`` and
``losses`` a list of them, ``memory`` may be ``None`` when nothing attends to it. A key of a part may hold a list of
parts itself (the branches of ``multi_backbone``). Nothing is merged and nothing is guessed: an unknown key is an
error with the closest match.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from iqa_zoo.config_file import FILES, Config, Dumper, copy_config, read_mapping
from iqa_zoo.contracts import HANDED_DOWN
from iqa_zoo.errors import ConfigError, PluginError, UnknownName, not_one_of
from iqa_zoo.hub.address import is_address
from iqa_zoo.outputs import write_text
from iqa_zoo.registry import MODELS, SLOTS
from iqa_zoo.values import Scale, Width, evaluated_hints, slot_inside, value_problem

LISTS = ("interactions", "losses")  # slots that hold a list of parts
OPTIONAL = {"dim", "memory", "interactions", "losses"}  # keys a config may leave out, and what that means:
EMPTY: dict[str, Any] = {"dim": None, "memory": None, "interactions": [], "losses": []}

RUN_FILE = "run.json"  # in the folder of a training


def model_config(name: str) -> Config:
    """Return the complete config of a zoo model, a fresh copy that is yours to edit.

    Raises:
        UnknownName: no such model; says the closest one.

    >>> model_config("deiqt")["queries"]
    {'type': 'class_token', 'num_queries': 6}
    """
    cfg = MODELS.get(name)()
    if not isinstance(cfg, Mapping):
        raise ConfigError([f"expected a dict, got {cfg!r}"], title=f"the model {name!r} of {MODELS.origin(name)}")
    return copy_config(cfg)


def load_config(cfg: str | Path | Mapping[str, Any]) -> Config:
    """Return a config from a zoo name, a path to a .yaml or .json file or to the folder of a training, an address on a hub
    (``hf://user/name``), or a dict (copied).

    Raises:
        UnknownName: neither a zoo model nor a file nor a training.
        ConfigError: the file does not hold a mapping.
        HubError: it cannot be fetched.
    """
    if isinstance(cfg, Mapping):
        return copy_config(cfg)
    if not isinstance(cfg, str | Path):
        raise ConfigError([f"expected a zoo name, a dict or a path, got {type(cfg).__name__}"])
    if is_address(cfg):
        from iqa_zoo.hub.download import fetch_config

        return fetch_config(cfg)
    if Path(cfg).suffix.lower() not in FILES:
        if str(cfg) in MODELS.names():
            return model_config(str(cfg))
        if is_run_folder(cfg):
            return read_run_value(cfg, "model")
        given = "a .yaml or .json file, or the folder of a training"
        raise UnknownName(f"{not_one_of(str(cfg), MODELS.names(), 'model')}; or give {given}")
    return read_mapping(cfg)


def is_run_folder(path: str | Path) -> bool:
    """Whether a path is the folder of a training (``iqa-zoo train``)."""
    return path != "" and (Path(path) / RUN_FILE).is_file()


def read_run_value(folder: str | Path, key: str) -> Config:
    """Read a mapping that a training's folder holds: its ``model`` or its ``recipe``.

    Raises:
        ConfigError: the file of the training is damaged.
    """
    file = Path(folder) / RUN_FILE
    value = read_mapping(file).get(key)
    if not isinstance(value, dict):
        raise ConfigError([f"{key}: expected a mapping, got {value!r:.60}"], title=str(file))
    return value


def part_parameters(slot: str, type_name: str) -> dict[str, inspect.Parameter]:
    """The config keys of a part (its constructor's arguments without those handed down), with annotations
    evaluated."""
    return dict(_parameters_of(slot, SLOTS[slot].get(type_name)))


@functools.lru_cache(maxsize=1024)  # a search for a budget asks thousands of times
def _parameters_of(slot: str, part: Any) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(part)
    hints = evaluated_hints(part.__init__ if inspect.isclass(part) else part)
    keys = {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in signature.parameters.items()
        if name not in HANDED_DOWN[slot] and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }
    if slot == "losses":  # how much a loss counts in the total is the same key for all of them
        keys["weight"] = inspect.Parameter("weight", inspect.Parameter.KEYWORD_ONLY, default=1.0, annotation=Scale)
    return keys


def _check_part(slot: str, path: str, part: Any) -> list[str]:
    if not isinstance(part, Mapping):
        return [f"{path}: expected dict(type=NAME, ...), got {part!r}"]
    if "type" not in part:
        return [f"{path}: no 'type'. Known: {', '.join(SLOTS[slot].names())}"]
    try:
        keys = part_parameters(slot, part["type"])
    except (UnknownName, PluginError) as error:
        return [f"{path}.type: {error}"]
    problems = []
    for key, value in part.items():
        if key == "type":
            continue
        if key in HANDED_DOWN[slot]:
            problems.append(f"{path}.{key}: is handed down to every part and not written here; leave it out")
        elif key not in keys:
            problems.append(f"{path}.{key}: {not_one_of(key, keys, 'key')} (of {part['type']!r})")
        elif (inside := slot_inside(keys[key].annotation)) and isinstance(value, list | tuple):
            for i, item in enumerate(value):
                problems += _check_part(inside, f"{path}.{key}.{i}", item)
        elif problem := value_problem(value, keys[key].annotation):
            problems.append(f"{path}.{key}: {problem}")
    for key, parameter in keys.items():
        if parameter.default is parameter.empty and key not in part:
            problems.append(f"{path}.{key}: is required by {part['type']!r} and missing")
    return problems


def check_config(cfg: Mapping[str, Any]) -> list[str]:
    """Return every problem that names, keys and types show, each with its config path; empty when there is none.

    Values that only the parts can judge (a stage the backbone lacks, sizes that do not divide) are found when
    the parts are made; :func:`iqa_zoo.build.build_model` reports both kinds together.

    >>> check_config(dict(model_config("deiqt"), head=dict(type="linear", bais=False)))
    ["head.bais: unknown key 'bais'; did you mean 'bias'? Known: bias, dropout, norm (of 'linear')"]
    """
    known = ("dim", *SLOTS)
    problems = [f"{key}: {not_one_of(key, known, 'key')}" for key in cfg if key not in known]
    problems += [f"{key}: is missing" for key in known if key not in cfg and key not in OPTIONAL]
    if problem := value_problem(cfg.get("dim"), Width | None):
        problems.append(f"dim: {problem}; None is the backbone's own width")
    for slot in SLOTS:
        if slot not in cfg or (slot in OPTIONAL and cfg[slot] is None):
            continue
        if slot in LISTS:
            if not isinstance(cfg[slot], list | tuple):
                problems.append(f"{slot}: expected a list of parts, got {cfg[slot]!r}")
                continue
            for i, part in enumerate(cfg[slot]):
                problems += _check_part(slot, f"{slot}.{i}", part)
        else:
            problems += _check_part(slot, slot, cfg[slot])
    losses = cfg.get("losses")
    if isinstance(losses, list | tuple):
        names = [loss.get("type") for loss in losses if isinstance(loss, Mapping)]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        problems += [f"losses: {name!r} is given twice" for name in twice]
    return problems


def slots_inside(slot: str, part: Any) -> dict[str, str]:
    """The keys of a part that hold a list of parts, with the slot of those."""
    if not (isinstance(part, Mapping) and isinstance(part.get("type"), str) and part["type"] in SLOTS[slot].names()):
        return {}
    found = {key: slot_inside(p.annotation) for key, p in part_parameters(slot, part["type"]).items()}
    return {key: inside for key, inside in found.items() if inside}


def resolve_config(cfg: Mapping[str, Any]) -> Config:
    """Return the config with every default written out: the same model, nothing left to look up.

    Raises:
        ConfigError: the config has problems (see :func:`check_config`).
    """
    problems = check_config(cfg)
    if problems:
        raise ConfigError(problems)
    resolved = {key: copy_config(cfg.get(key, EMPTY.get(key))) for key in ("dim", *SLOTS)}
    for slot in SLOTS:
        resolved[slot] = EMPTY.get(slot) if resolved[slot] is None else resolved[slot]
        for part in resolved[slot] if slot in LISTS else [resolved[slot]]:
            if part is not None:
                _write_defaults(slot, part)
    return copy_config(resolved)


def _write_defaults(slot: str, part: Config) -> None:
    for key, parameter in part_parameters(slot, part["type"]).items():
        if parameter.default is not parameter.empty:
            part.setdefault(key, copy_config(parameter.default))
        if inside := slot_inside(parameter.annotation):
            for item in part[key]:
                _write_defaults(inside, item)


def dump_config(cfg: Mapping[str, Any], path: str | Path | None = None) -> str:
    """Return a config as text, YAML or (where ``path`` ends in .json) JSON, and write it where a path is given."""
    as_json = path is not None and Path(path).suffix.lower() == ".json"
    plain = copy_config(cfg)
    text = json.dumps(plain, indent=2) + "\n" if as_json else yaml.dump(plain, Dumper=Dumper, sort_keys=False)
    if path is not None:
        write_text(path, text)
    return text
