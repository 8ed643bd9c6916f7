"""The knobs of a config: values that change the cost of a model.

A part declares them in a class attribute: ``knobs = ("hidden", "num_experts")`` names config keys whose number (or numbers)
increases the parameters, smallest effect first. The first of each part is a *width*. Two knobs belong to the config: ``depth``,
the number of repeats of the interaction pattern, and ``dim``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.config import Config, load_config, part_parameters, resolve_config
from iqa_zoo.contracts import HasKnobs
from iqa_zoo.errors import BudgetError, not_one_of
from iqa_zoo.registry import SLOTS

COARSE = 4  # maximum factor for experts, layers and model width


@dataclass(frozen=True)
class Knob:
    """One adjustable value: its current value, its step, and the function that sets it in a config.

    ``kind`` is "width", "count" (experts, depth) or "dim", in order of effect.
    """

    name: str
    kind: str
    now: int
    turn: Callable[[Config, int], None]
    step: int = 1


Knobs = tuple[Knob, ...]
Setting = tuple[tuple[Knob, int], ...]  # knobs in turning order, with their new values


class KnobBoard:
    """The knobs of one config.

    ``names`` are the knobs that may be turned; None for all.

    Raises:
        BudgetError: a name is not a knob of the config; suggests the closest one.
        ConfigError: the config has problems.
    """

    def __init__(self, cfg: Config, names: Iterable[str] | None = None) -> None:
        self.cfg = cfg
        self.resolved = resolve_config(cfg)
        self.period = _find_period(self.resolved["interactions"])
        self.knobs = self._find_knobs()
        known = {knob.name for knob in self.knobs}
        chosen = None if names is None else list(names)
        for name in chosen or ():
            if name not in known:
                raise BudgetError(not_one_of(name, known, "knob"))
        if chosen is not None:
            self.knobs = [knob for knob in self.knobs if knob.name in chosen]

    def turn(self, setting: Setting) -> Config:
        """Return a copy of the config with a setting applied."""
        cfg = load_config(self.cfg)
        for knob, value in setting:
            knob.turn(cfg, value)
        return cfg

    def find_moved(self, matched: Config) -> dict[str, tuple[Any, Any]]:
        """Find every difference to the original config: config path -> (from, to)."""
        old, new = self.resolved, resolve_config(matched)
        depth_old, depth_new = (len(cfg["interactions"]) // (self.period or 1) for cfg in (old, new))
        moved: dict[str, tuple[Any, Any]] = {}
        if old["dim"] != new["dim"]:
            moved["dim"] = (old["dim"], new["dim"])
        if depth_old != depth_new:
            moved["depth"] = (depth_old, depth_new)
        was = {path: part for path, _, part in _list_parts(old)}
        for path, _, part in _list_parts(new):
            slot, _, index = path.partition(".")
            before = was[f"{slot}.{int(index) % self.period}"] if index else was[path]
            moved |= {f"{path}.{key}": (before[key], part[key]) for key in part if part[key] != before[key]}
        return moved

    def format_names(self) -> str:
        return ", ".join(dict.fromkeys(knob.name for knob in self.knobs))

    def format_change(self, setting: Setting) -> str:
        return format_moved(self.find_moved(self.turn(setting))) or "nothing moved"

    def _find_knobs(self) -> list[Knob]:
        knobs: dict[tuple[str, ...], Knob] = {}
        heads = [1]
        for path, slot, part in _list_parts(self.resolved):
            heads += [part[key] for key in ("num_heads", "heads") if isinstance(part.get(key), int)]
            kind = SLOTS[slot].get(part["type"])
            declared = kind.knobs if isinstance(kind, HasKnobs) else ()
            for rank, key in enumerate(declared):
                if key not in part:
                    raise BudgetError(
                        f"{path}: {part['type']!r} declares the knob {key!r}, which is not one of its keys"
                    )
                if _list_numbers(part[key]):
                    name = f"{'interactions.*' if slot == 'interactions' else path}.{key}"
                    turn = _make_turn(slot, part["type"], key, part[key])
                    knob = Knob(name, "count" if rank else "width", max(_list_numbers(part[key])), turn)
                    # Blocks of the same type and width move together.
                    knobs.setdefault((slot, part["type"], key, json.dumps(part[key])), knob)
        ordered = list(knobs.values())
        if self.period:
            ordered.insert(
                0, Knob("depth", "count", len(self.resolved["interactions"]) // self.period, self._turn_depth)
            )
        if self.resolved["dim"] is not None:
            ordered.append(Knob("dim", "dim", self.resolved["dim"], _turn_dim, step=math.lcm(*heads)))
        return ordered

    def _turn_depth(self, cfg: Config, value: int) -> None:
        pattern = {"interactions": cfg["interactions"][: self.period] * value}
        cfg["interactions"] = load_config(pattern)["interactions"]  # a copy, so that blocks are distinct objects


def list_coarse_values(knob: Knob, knobs: Iterable[Knob], narrowest: int = COARSE) -> list[int]:
    """List the values to try for a coarse knob, without the current one; some may be invalid. The minimum of a dim is its
    value divided by ``narrowest``."""
    if knob.kind == "dim" and any(k.kind == "width" for k in knobs):  # a width covers the rest
        eighths = range(-8 * narrowest.bit_length() + 8, 8 * COARSE.bit_length() - 7)
        values = {round(knob.now * 2 ** (eighth / 8) / knob.step) * knob.step for eighth in eighths}
    else:
        values = set(range(knob.step, COARSE * knob.now + 1, knob.step))
    return sorted(values - {0, knob.now})


def compute_width_range(lead: int, down: int, up: int) -> tuple[int, int]:
    """Compute the minimum and maximum of a width."""
    return max(1, math.ceil(lead / down)), lead * up


def scale_widths(rough: Setting, widths: Knobs, factor: float) -> Setting:
    return (*rough, *((knob, max(1, round(knob.now * factor))) for knob in widths))


def compute_distance(setting: Setting) -> float:
    """Compute the distance of a setting from the current values: the sum of squared octaves."""
    return sum(math.log2(value / knob.now) ** 2 for knob, value in setting)


def _find_period(interactions: list[Any]) -> int:
    """Find the length of the shortest pattern that the blocks repeat."""
    count = len(interactions)
    fits = (n for n in range(1, count + 1) if count % n == 0 and interactions[:n] * (count // n) == interactions)
    return next(fits, 0)


def _list_parts(resolved: Config) -> Iterator[tuple[str, str, Config]]:
    """List config path, slot and part of everything that may declare knobs."""
    for slot in ("queries", "memory", "interactions", "head"):
        if slot == "interactions":
            yield from ((f"{slot}.{i}", slot, part) for i, part in enumerate(resolved[slot]))
        elif resolved[slot] is not None:
            yield slot, slot, resolved[slot]


def _list_numbers(value: Any) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return values if values and all(isinstance(v, int) and v > 0 for v in values) else []


def _make_turn(slot: str, kind: str, key: str, now: Any) -> Callable[[Config, int], None]:
    """Make the function that sets a key of all parts of a kind whose value is ``now``; a list is scaled by its largest number."""
    default = part_parameters(slot, kind)[key].default
    default = list(default) if isinstance(default, tuple) else default
    lead = max(_list_numbers(now))

    def turn(cfg: Config, value: int) -> None:
        for part in cfg[slot] if slot == "interactions" else [cfg[slot]]:
            if part["type"] == kind and part.get(key, default) == now:
                scaled = [max(1, round(number * value / lead)) for number in _list_numbers(now)]
                part[key] = scaled if isinstance(now, list) else scaled[0]

    return turn


def _turn_dim(cfg: Config, value: int) -> None:
    cfg["dim"] = value
