"""The knobs of a config: what may be turned to make a model cost more or less.

A part declares what may be moved in a class attribute: ``knobs = ("hidden", "num_experts")``, names of config keys
whose value is a number (or several) that more parameters come with, the gentlest first. The first of each part is a
*width*. Two more belong to the config: ``depth``, how often the pattern of the interactions repeats, and ``dim``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from iqa_zoo.config import Config, load_config, part_parameters, resolve_config
from iqa_zoo.errors import BudgetError, not_one_of
from iqa_zoo.registry import SLOTS

COARSE = 4  # times as many experts or layers or as wide a model, at most


@dataclass(frozen=True)
class Knob:
    """One thing that may be moved: what it is now, in steps of what, and how a config is given another value.

    ``kind`` is "width", "count" (experts, depth) or "dim", from the gentlest on.
    """

    name: str
    kind: str
    now: int
    turn: Callable[[Config, int], None]
    step: int = 1


Knobs = tuple[Knob, ...]
Setting = tuple[tuple[Knob, int], ...]  # knobs in the order in which they are turned, with their new values


class KnobBoard:
    """The knobs of one config, how they are turned, and what turning them changed.

    Args:
        cfg: a config, sound as it is.
        names: which knobs may be turned; all where None.

    Raises:
        BudgetError: a name that is no knob of the config; says the closest one.
        ConfigError: the config has problems.
    """

    def __init__(self, cfg: Config, names: Iterable[str] | None = None) -> None:
        self.cfg = cfg
        self.resolved = resolve_config(cfg)
        self.period = _period(self.resolved["interactions"])
        self.knobs = self._found()
        known = {knob.name for knob in self.knobs}
        chosen = None if names is None else list(names)
        for name in chosen or ():
            if name not in known:
                raise BudgetError(not_one_of(name, known, "knob"))
        if chosen is not None:
            self.knobs = [knob for knob in self.knobs if knob.name in chosen]

    def turned(self, setting: Setting) -> Config:
        """A copy of the config with the knobs of a setting turned."""
        cfg = load_config(self.cfg)
        for knob, value in setting:
            knob.turn(cfg, value)
        return cfg

    def moved(self, matched: Config) -> dict[str, tuple[Any, Any]]:
        """Config path -> (from, to) of every difference."""
        old, new = self.resolved, resolve_config(matched)
        depth_old, depth_new = (len(cfg["interactions"]) // (self.period or 1) for cfg in (old, new))
        moved: dict[str, tuple[Any, Any]] = {}
        if old["dim"] != new["dim"]:
            moved["dim"] = (old["dim"], new["dim"])
        if depth_old != depth_new:
            moved["depth"] = (depth_old, depth_new)
        was = {path: part for path, _, part in _parts(old)}
        for path, _, part in _parts(new):
            slot, _, index = path.partition(".")
            before = was[f"{slot}.{int(index) % self.period}"] if index else was[path]
            moved |= {f"{path}.{key}": (before[key], part[key]) for key in part if part[key] != before[key]}
        return moved

    def _found(self) -> list[Knob]:
        knobs: dict[tuple[str, ...], Knob] = {}
        heads = [1]
        for path, slot, part in _parts(self.resolved):
            heads += [part[key] for key in ("num_heads", "heads") if isinstance(part.get(key), int)]
            declared = getattr(SLOTS[slot].get(part["type"]), "knobs", ())
            for rank, key in enumerate(declared):
                if key not in part:
                    raise BudgetError(f"{path}: {part['type']!r} declares the knob {key!r}, which is none of its keys")
                if _numbers(part[key]):
                    name = f"{'interactions.*' if slot == 'interactions' else path}.{key}"
                    turn = _turn_key(slot, part["type"], key, part[key])
                    knob = Knob(name, "count" if rank else "width", max(_numbers(part[key])), turn)
                    # Blocks of one type and width move together.
                    knobs.setdefault((slot, part["type"], key, json.dumps(part[key])), knob)
        found = list(knobs.values())
        if self.period:
            found.insert(0, Knob("depth", "count", len(self.resolved["interactions"]) // self.period, self._turn_depth))
        if self.resolved["dim"] is not None:
            found.append(Knob("dim", "dim", self.resolved["dim"], _turn_dim, step=math.lcm(*heads)))
        return found

    def _turn_depth(self, cfg: Config, value: int) -> None:
        pattern = {"interactions": cfg["interactions"][: self.period] * value}
        cfg["interactions"] = load_config(pattern)["interactions"]  # a copy: no two blocks are one object


def coarse_values(knob: Knob, knobs: Iterable[Knob]) -> list[int]:
    """Where a coarse knob may be turned to, besides where it is; not all of it makes a model.

    The model width goes down to an eighth, as some decoders are as wide as their backbone's stages together.
    """
    if knob.kind == "dim" and any(k.kind == "width" for k in knobs):  # a width does the rest
        values = {round(knob.now * 2 ** (eighth / 8) / knob.step) * knob.step for eighth in range(-24, 17)}
    else:
        values = set(range(knob.step, COARSE * knob.now + 1, knob.step))
    return sorted(values - {0, knob.now})


def width_range(lead: int, reach: tuple[int, int]) -> tuple[int, int]:
    """The narrowest and widest a width may become."""
    return max(1, math.ceil(lead / reach[0])), lead * reach[1]


def scaled(rough: Setting, widths: Knobs, factor: float) -> Setting:
    return (*rough, *((knob, max(1, round(knob.now * factor))) for knob in widths))


def distance(setting: Setting) -> float:
    """How far a setting is from where the knobs were: the sum of squared octaves."""
    return sum(math.log2(value / knob.now) ** 2 for knob, value in setting)


def _period(interactions: list[Any]) -> int:
    """The length of the shortest pattern that the blocks repeat."""
    count = len(interactions)
    fits = (n for n in range(1, count + 1) if count % n == 0 and interactions[:n] * (count // n) == interactions)
    return next(fits, 0)


def _parts(resolved: Config) -> Iterator[tuple[str, str, Config]]:
    """Config path, slot and part of everything that may declare knobs."""
    for slot in ("queries", "memory", "interactions", "head"):
        if slot == "interactions":
            yield from ((f"{slot}.{i}", slot, part) for i, part in enumerate(resolved[slot]))
        elif resolved[slot] is not None:
            yield slot, slot, resolved[slot]


def _numbers(value: Any) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values if values and all(isinstance(v, int) and v > 0 for v in values) else []


def _turn_key(slot: str, kind: str, key: str, now: Any) -> Callable[[Config, int], None]:
    """Give a key of every part of a kind that holds ``now`` another value; of several numbers the largest is given."""
    default = part_parameters(slot, kind)[key].default
    default = list(default) if isinstance(default, tuple) else default
    lead = max(_numbers(now))

    def turn(cfg: Config, value: int) -> None:
        for part in cfg[slot] if slot == "interactions" else [cfg[slot]]:
            if part["type"] == kind and part.get(key, default) == now:
                scaled = [max(1, round(number * value / lead)) for number in _numbers(now)]
                part[key] = scaled if isinstance(now, list) else scaled[0]

    return turn


def _turn_dim(cfg: Config, value: int) -> None:
    cfg["dim"] = value
