"""Replace values of a config by dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iqa_zoo.config import LISTS, part_parameters, slots_inside
from iqa_zoo.config_file import Config, copy_config
from iqa_zoo.errors import ConfigError, closest, not_one_of
from iqa_zoo.registry import SLOTS


def apply_overrides(cfg: Mapping[str, Any], overrides: Mapping[str, Any] | None) -> Config:
    """Return a copy of a config with values replaced by dotted path, for example ``{"head.num_experts": 8}``.

    A path may name a key that the config leaves at its default, an item of a list (``interactions.0.num_heads``),
    every item (``interactions.*.num_heads`` reaches those blocks that have the key) or a whole slot.

    Raises:
        ConfigError: a path that leads nowhere; all of them are listed, each with the closest match.

    >>> from iqa_zoo.config import model_config
    >>> apply_overrides(model_config("deiqt"), {"queries.num_queries": 12})["queries"]["num_queries"]
    12
    """
    result = copy_config(cfg)
    problems = []
    for path, value in (overrides or {}).items():
        problem = _override(result, path, copy_config(value))
        if problem:
            problems.append(f"{path}: {problem}")
    if problems:
        raise ConfigError(problems, title="the overrides")
    return result


def _override(cfg: Config, path: str, value: Any) -> str | None:
    slot, *rest = path.split(".")
    if slot not in ("dim", *SLOTS):
        return not_one_of(slot, ("dim", *SLOTS), "key")
    if not rest:
        cfg[slot] = value
        return None
    if slot == "dim":
        return f"{slot!r} is {cfg.get(slot)!r} and has no keys; replace it as a whole"
    if slot in LISTS:
        return _set_in_list(slot, slot, cfg.get(slot), rest, value)
    return _set(slot, slot, cfg.get(slot), rest, value)


def _set_in_list(slot: str, where: str, parts: Any, rest: list[str], value: Any) -> str | None:
    """Set a key of one part of a list, or of every part that has it, or replace one part. ``where`` is the list's key."""
    parts = [] if parts is None else parts
    if not isinstance(parts, list):
        return f"{where!r} is {parts!r}, not a list of parts; replace it as a whole"
    index, *rest = rest
    if index == "*":
        reached = [p for p in parts if not rest or rest[0] in _keys(slot, p)]
        if not reached or not rest:
            every = {key for p in parts for key in _keys(slot, p)}
            return f"no part of {where!r} has this key{closest('.'.join(rest), every)}"
        problems = [_set(slot, where, p, rest, value) for p in reached]
        return next((problem for problem in problems if problem), None)
    if not parts:
        return f"{where!r} is empty; replace it as a whole"
    if not index.isdecimal() or int(index) >= len(parts):
        return f"{where!r} has the items 0 to {len(parts) - 1} (or *), not {index!r}"
    if not rest:
        parts[int(index)] = value
        return None
    return _set(slot, where, parts[int(index)], rest, value)


def _keys(slot: str, part: Any) -> list[str]:
    if not isinstance(part, Mapping):
        return []
    known = ["type", *part]
    if isinstance(part.get("type"), str) and part["type"] in SLOTS[slot].names():
        known += part_parameters(slot, part["type"])
    return known


def _set(slot: str, where: str, part: Any, rest: list[str], value: Any) -> str | None:
    if not isinstance(part, dict):
        return f"{where!r} is {part!r} and has no keys; replace it as a whole"
    key, *deeper = rest
    if deeper and (inside := slots_inside(slot, part).get(key)):
        return _set_in_list(inside, key, part.get(key), deeper, value)
    if deeper or key not in _keys(slot, part):
        return f"{not_one_of('.'.join(rest), sorted(set(_keys(slot, part))), 'key')}"
    part[key] = value
    return None
