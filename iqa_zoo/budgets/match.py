"""Make one model cost as much as another, by moving the knobs its parts declare.

A part declares what may be moved in a class attribute: ``knobs = ("hidden", "num_experts")``, names of config keys
whose value is a number (or several) that more parameters come with, the gentlest first. The first of each part is a
*width*. Two more belong to the config: ``depth``, how often the pattern of the interactions repeats, and ``dim``.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from iqa_zoo.budgets.budget import Budget, in_words
from iqa_zoo.budgets.measure import (
    Model,
    measure_backbone,
    measure_budget,
    measure_config,
    measure_decoder,
    measure_parameters,
)
from iqa_zoo.config import Config, load_config, part_parameters, resolve_config
from iqa_zoo.errors import BudgetError, ConfigError, not_one_of
from iqa_zoo.registry import SLOTS

By = Literal["params", "active_params", "macs"]
Scope = Literal["decoder", "model"]
# How far a width may go: 1/8 to 8 times what it was, and only where that leads nowhere down to 1 and up to 64 times.
REACH = ((8, 8), (10**9, 64))
COARSE = 4  # times as many experts or layers or as wide a model, at most
HUGE = 300_000_000  # parameters above which a decoder is not run to count its MACs


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


def match_budget(
    cfg: str | Path | Mapping[str, Any],
    to: Model | Budget | int,
    *,
    by: By = "params",
    scope: Scope = "decoder",
    tolerance: float = 0.01,
    knobs: Sequence[str] | None = None,
) -> tuple[Config, Budget]:
    """Return a config like ``cfg`` that costs as much as ``to``, and its budget, whose ``moved`` says what changed.

    As few knobs as possible are moved, as little as possible: first one width alone, then the number of experts or
    layers with a width, both with a width, last the model width. Whatever is compared, ``cfg`` keeps its backbone.

    Args:
        cfg: a zoo name, a config dict, or a path to a .yaml or .json file.
        to: another of these or a built model, a budget, or the number itself.
        by: ``"params"``, ``"active_params"`` or ``"macs"``.
        scope: ``"decoder"``, everything but the backbone, or ``"model"``.
        tolerance: how far from the target is near enough, as a part of it.
        knobs: which may be moved, all where left out: ``"depth"``, ``"dim"``, or a config path such as
            ``"head.hidden"`` or ``"interactions.*.hidden"``.

    Raises:
        BudgetError: no setting comes near enough; gives the closest.
        ConfigError: a config has problems.

    >>> cfg, budget = match_budget("deiqt", to=3_000_000)
    >>> budget.moved
    {'interactions.2.hidden': (1536, 2356)}
    """
    if by not in get_args(By):
        raise BudgetError(not_one_of(by, get_args(By), "by"))
    if scope not in get_args(Scope):
        raise BudgetError(not_one_of(scope, get_args(Scope), "scope"))
    if not 0 < tolerance < 1:
        raise BudgetError(f"tolerance is a part of the target, between 0 and 1, got {tolerance!r}")
    search = _Search(load_config(cfg), _target(to, by, scope), by, scope, tolerance, knobs)
    setting = search.run()
    matched = search.turned(setting)
    return matched, replace(measure_config(matched), moved=search.moved(matched))


def _target(to: Model | Budget | int, by: By, scope: Scope) -> int:
    if isinstance(to, int) and not isinstance(to, bool):
        if to < 1:
            raise BudgetError(f"the target is a positive number of {by}, got {to}")
        return to
    budget = to if isinstance(to, Budget) else measure_budget(to)  # type: ignore[arg-type]
    return int(getattr(budget.decoder if scope == "decoder" and budget.by_slot else budget, by))


class _Search:
    """Looks for the gentlest setting of the knobs that meets the target."""

    def __init__(
        self, cfg: Config, target: int, by: By, scope: Scope, tolerance: float, names: Sequence[str] | None
    ) -> None:
        self.cfg, self.target, self.by, self.scope, self.tolerance = cfg, target, by, scope, tolerance
        self.resolved = resolve_config(cfg)
        self.period = _period(self.resolved["interactions"])
        self.backbone = measure_backbone(cfg)
        self.parameters: dict[str, Budget | None] = {}
        self.macs: dict[str, Budget] = {}
        self.closest: tuple[int, Setting] | None = None
        self.knobs = self._knobs()
        known = {knob.name for knob in self.knobs}
        for name in names or ():
            if name not in known:
                raise BudgetError(not_one_of(name, known, "knob"))
        if names is not None:
            self.knobs = [knob for knob in self.knobs if knob.name in names]
        self.values: dict[Knob, list[int]] = {}

    def run(self) -> Setting:
        """Return the setting, empty where nothing has to move."""
        if self._meets(()):
            return ()
        widths, counts, dims = ([k for k in self.knobs if k.kind == kind] for kind in ("width", "count", "dim"))
        none: Knobs = ()
        one_width: list[Knobs] = [(knob,) for knob in widths]
        all_widths = [tuple(widths)] if len(widths) > 1 else []
        coarse_stages: list[list[Knobs]] = [[none], [(knob,) for knob in counts], [(knob,) for knob in dims]]
        if len(counts) > 1:
            coarse_stages.insert(2, [tuple(counts)])
        for reach in REACH:
            for coarse_stage in coarse_stages:
                for fine_stage in ([none], one_width, all_widths):
                    found = self._best(coarse_stage, fine_stage, reach)
                    if found is not None:
                        return found
        raise BudgetError(self._miss())

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

    def _knobs(self) -> list[Knob]:
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

    def _values(self, knob: Knob) -> list[int]:
        """Where a coarse knob may be turned to."""
        if knob in self.values:
            return self.values[knob]
        if knob.kind == "dim" and any(k.kind == "width" for k in self.knobs):  # a width does the rest
            values = {round(knob.now * 2 ** (eighth / 8) / knob.step) * knob.step for eighth in range(-16, 17)}
        else:
            values = set(range(knob.step, COARSE * knob.now + 1, knob.step))
        possible = [value for value in sorted(values - {0, knob.now}) if self._possible(((knob, value),))]
        self.values[knob] = possible
        return possible

    def _best(self, coarse_stage: list[Knobs], fine_stage: list[Knobs], reach: tuple[int, int]) -> Setting | None:
        """The gentlest setting that meets the target and moves one group of each stage."""
        moves: list[tuple[Setting, Knobs]] = []
        for coarse, fine in itertools.product(coarse_stage, fine_stage):
            values = [self._values(knob) for knob in coarse]
            if not all(values) or not self._within(coarse, fine, values, reach):
                continue
            if len(coarse) == 1 and not fine:
                moves.append((self._alone(*coarse, *values), fine))
            else:
                moves += ((tuple(zip(coarse, v, strict=True)), fine) for v in itertools.product(*values))
        best: Setting | None = None
        for rough, fine in sorted(moves, key=lambda move: _distance(move[0])):
            if best is not None and _distance(rough) >= _distance(best):
                break
            setting = self._refined(rough, fine, reach)
            if setting and self._meets(setting) and (best is None or _distance(setting) < _distance(best)):
                best = setting
        return best

    def _alone(self, knob: Knob, values: list[int]) -> Setting:
        """The setting of one knob that comes nearest to the target."""
        return ((knob, values[_nearest(lambda i: self._size(((knob, values[i]),)), self.target, 0, len(values) - 1)]),)

    def _within(self, coarse: Knobs, fine: Knobs, values: list[list[int]], reach: tuple[int, int]) -> bool:
        """Whether the target lies between all these knobs at their lowest and all at their highest."""
        lead = max((knob.now for knob in fine), default=1)
        low, high = _range(lead, reach)
        smallest = self._size(_scaled(tuple((k, v[0]) for k, v in zip(coarse, values, strict=True)), fine, low / lead))
        largest = self._size(_scaled(tuple((k, v[-1]) for k, v in zip(coarse, values, strict=True)), fine, high / lead))
        slack = self.tolerance * self.target
        too_large = smallest is not None and smallest > self.target + slack
        too_small = largest is not None and largest < self.target - slack
        return not too_large and not too_small

    def _refined(self, rough: Setting, widths: Knobs, reach: tuple[int, int]) -> Setting:
        """The setting that comes nearest to the target when these widths too are changed, by a common factor."""
        if not widths:
            return rough
        lead = max(knob.now for knob in widths)

        def size(width: int) -> int | None:
            return self._size(_scaled(rough, widths, width / lead))

        width = _nearest(size, self.target, *_range(lead, reach), near=self.tolerance * self.target / 10)
        return _scaled(rough, widths, width / lead)

    def _possible(self, setting: Setting) -> bool:
        return self._parameters(_once(self.turned(setting))[0]) is not None

    def _size(self, setting: Setting) -> int | None:
        """What a setting costs; None where there is no such model (sizes that do not divide) or it is huge."""
        cfg, times = _once(self.turned(setting))
        budget = self._counted(cfg)
        if budget is None:
            return None
        size: int = getattr(budget.decoder, self.by)
        for block, n in zip(budget.by_block.values(), times, strict=True):
            size += (n - 1) * getattr(block, self.by)
        if self.scope == "model":
            size += getattr(self.backbone.budget, self.by)
        if self.closest is None or abs(size - self.target) < abs(self.closest[0] - self.target):
            self.closest = (size, setting)
        return size

    def _counted(self, cfg: Config) -> Budget | None:
        budget = self._parameters(cfg)
        if self.by != "macs" or budget is None or budget.params > HUGE:
            return budget if self.by != "macs" else None
        key = json.dumps(cfg, sort_keys=True)
        if key not in self.macs:
            self.macs[key] = measure_decoder(cfg, self.backbone.spec, self.backbone.features())
        return self.macs[key]

    def _parameters(self, cfg: Config) -> Budget | None:
        key = json.dumps(cfg, sort_keys=True)
        if key not in self.parameters:
            try:
                self.parameters[key] = measure_parameters(cfg, self.backbone.spec)
            except ConfigError:  # the config was sound before its knobs were turned
                self.parameters[key] = None
        return self.parameters[key]

    def _meets(self, setting: Setting) -> bool:
        size = self._size(setting)
        return size is not None and abs(size - self.target) <= self.tolerance * self.target

    def _miss(self) -> str:
        what = f"{self.target:,} {self.by} ({self.scope})"
        if not self.knobs:
            return f"nothing can be moved to reach {what}: no part has a knob, there are no blocks, and dim is None"
        assert self.closest is not None
        size, setting = self.closest
        return (
            f"no setting of {', '.join(dict.fromkeys(knob.name for knob in self.knobs))} comes within "
            f"{self.tolerance:.2%} of {what}; the closest is {size:,} ({size / self.target - 1:+.2%}) with "
            f"{in_words(self.moved(self.turned(setting))) or 'nothing moved'}. "
            "Allow more knobs or a larger tolerance, or match the other model to this one"
        )


def _once(cfg: Config) -> tuple[Config, list[int]]:
    """A config with each of its blocks once, and how often each is there: equal blocks cost the same wherever they
    stand, so that one is counted for all."""
    blocks = Counter(json.dumps(block, sort_keys=True) for block in cfg.get("interactions") or ())
    return {**cfg, "interactions": [json.loads(block) for block in blocks]}, list(blocks.values())


def _nearest(size: Callable[[int], int | None], target: int, low: int, high: int, near: float = 0) -> int:
    """The number in low..high whose size is nearest to the target, or within ``near`` of it, for a size that grows with
    the number: regula falsi, which is exact where the growth is linear, in turn with halving."""
    at_low, at_high = size(low), size(high)
    halve = False
    while high - low > 1 and at_low is not None and at_low < target and (at_high is None or target < at_high):
        share = 0.5 if halve or at_high is None else (target - at_low) / (at_high - at_low)
        middle = min(max(low + round(share * (high - low)), low + 1), high - 1)
        at_middle = size(middle)
        if at_middle is not None and abs(at_middle - target) <= near:
            return middle
        if at_middle is not None and at_middle < target:
            low, at_low = middle, at_middle
        else:
            high, at_high = middle, at_middle
        halve = not halve
    return min((low, high), key=lambda n: abs((size(n) or math.inf) - target))


def _range(lead: int, reach: tuple[int, int]) -> tuple[int, int]:
    """The narrowest and widest a width may become."""
    return max(1, math.ceil(lead / reach[0])), lead * reach[1]


def _scaled(rough: Setting, widths: Knobs, factor: float) -> Setting:
    return (*rough, *((knob, max(1, round(knob.now * factor))) for knob in widths))


def _distance(setting: Setting) -> float:
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
