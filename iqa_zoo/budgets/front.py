"""Which settings of a model's knobs are worth looking at: those that no other setting beats on every count."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iqa_zoo.budgets.budget import Budget
from iqa_zoo.budgets.decoder_costs import DecoderCosts
from iqa_zoo.budgets.knobs import Knob, KnobBoard, Setting, distance
from iqa_zoo.budgets.measure import measure_backbone, measure_config
from iqa_zoo.config import Config, load_config
from iqa_zoo.errors import BudgetError, not_one_of

COUNTED = ("params", "active_params", "macs")
MOST = 20_000  # settings on a grid, at most

Grid = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class FrontPoint:
    """A setting on the front.

    Attributes:
        values: what each knob of the grid stands at, by its name.
        cfg: the config.
        budget: what it costs; ``moved`` says how it differs from the model.
    """

    values: dict[str, int]
    cfg: Config
    budget: Budget

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, ready for JSON."""
        return {"values": self.values, "config": self.cfg, "budget": self.budget.to_dict()}


@dataclass(frozen=True)
class _Tried:
    setting: Setting
    values: dict[str, int]
    gain: int
    costs: tuple[int, ...]


def pareto_front(
    cfg: str | Path | Mapping[str, Any],
    *,
    by: Sequence[str] = ("params", "macs"),
    grid: Grid | None = None,
    at: Mapping[str, tuple[int, int]] | None = None,
) -> list[FrontPoint]:
    """Turn a model's knobs over a grid and return the settings that are not dominated, the cheapest first.

    The first of ``by`` is what is to be had, more of it being better; the others are what it costs, less being better.
    A setting is dominated where another has as much and costs no more, and is better in at least one. So
    ``("params", "macs")`` asks where the most parameters fit into a computation, ``("active_params", "macs")`` the same
    of those that a token meets, ``("params", "active_params")`` what a mixture of experts brings. The first may also be
    a knob: ``("depth", "macs")`` with ``at={"params": (3_000_000, 4_000_000)}`` trades width for depth among decoders of
    about as many parameters. A front says what fits, not what is good: quality is found by training.

    Everything is counted of the decoder, on the model's backbone, which stays as it is. Settings that make no model
    (sizes that do not divide) or a huge one are left out; of several that are equal in all of ``by``, the one that
    moves least stands for all.

    Args:
        cfg: a zoo name, a config dict, or a path to a .yaml or .json file.
        by: a gain, then one or more costs: ``"params"``, ``"active_params"``, ``"macs"``; the gain may be a knob.
        grid: knob -> its values (of several widths in a row, of the largest); other knobs stay. Where left out, every
            knob at half, once and twice what it is.
        at: ``"params"``, ``"active_params"`` or ``"macs"`` -> the least and the most; settings outside are left out.

    Raises:
        BudgetError: a name or a value that cannot be, a grid that is too large, or nothing on the grid that fits.
        ConfigError: the config has problems.

    >>> front = pareto_front("deiqt", by=("depth", "params"), grid={"depth": [1, 2, 3]})
    >>> [(point.values, point.budget.decoder.params) for point in front]
    [({'depth': 1}, 2369280), ({'depth': 2}, 4735872), ({'depth': 3}, 7102464)]
    """
    base = load_config(cfg)
    board = KnobBoard(base)
    by = _checked_by(by, board)
    knobs = _by_name(board, grid)
    chosen = {name: _values(name, values) for name, values in (grid or _default(knobs)).items()}
    if not chosen:
        raise BudgetError("this model has no knob to turn: no part has one, there are no blocks, and dim is None")
    if (count := math.prod(map(len, chosen.values()))) > MOST:
        raise BudgetError(f"the grid has {count:,} settings, more than {MOST:,}: give fewer knobs or values")
    tried = list(_tried(board, knobs, chosen, by, _checked_at(at)))
    if not tried:
        raise BudgetError(
            f"none of the {count:,} settings of {', '.join(chosen)} makes a model that fits: widen the grid or 'at'"
        )
    return [_point(board, found) for found in not_dominated(tried)]


def not_dominated(tried: Iterable[_Tried]) -> list[_Tried]:
    """Those that none beats, by rising cost; of equal ones the first."""
    front: list[_Tried] = []
    # The costs rise along the order, and at equal costs the gain falls, so that none is beaten by a later one.
    for one in sorted(tried, key=lambda t: (t.costs, -t.gain, distance(t.setting))):
        beaten = (
            other.gain >= one.gain and all(a <= b for a, b in zip(other.costs, one.costs, strict=True))
            for other in front
        )
        if not any(beaten):
            front.append(one)
    return front


def _tried(
    board: KnobBoard,
    knobs: Mapping[str, list[Knob]],
    grid: Mapping[str, list[int]],
    by: Sequence[str],
    at: Mapping[str, tuple[int, int]],
) -> Iterator[_Tried]:
    costs = DecoderCosts(measure_backbone(board.cfg))
    macs = "macs" in (*by, *at)
    for values in itertools.product(*grid.values()):
        named = dict(zip(grid, values, strict=True))
        setting = _setting(board, knobs, named)
        sizes = costs.sizes(board.turned(setting), macs=macs)
        if sizes is None or not all(low <= sizes[name] <= high for name, (low, high) in at.items()):
            continue
        gain = sizes[by[0]] if by[0] in COUNTED else named.get(by[0], knobs[by[0]][0].now)
        yield _Tried(setting, named, gain, tuple(sizes[name] for name in by[1:]))


def _setting(board: KnobBoard, knobs: Mapping[str, list[Knob]], values: Mapping[str, int]) -> Setting:
    """The knobs in the order in which they are turned; of several of one name the widest gets the value."""
    return tuple(
        (knob, max(1, round(knob.now * values[knob.name] / max(k.now for k in knobs[knob.name]))))
        for knob in board.knobs
        if knob.name in values
    )


def _point(board: KnobBoard, found: _Tried) -> FrontPoint:
    cfg = board.turned(found.setting)
    return FrontPoint(found.values, cfg, replace(measure_config(cfg), moved=board.moved(cfg)))


def _by_name(board: KnobBoard, grid: Grid | None) -> dict[str, list[Knob]]:
    named: dict[str, list[Knob]] = {}
    for knob in board.knobs:
        named.setdefault(knob.name, []).append(knob)
    for name in grid or ():
        if name not in named:
            raise BudgetError(not_one_of(name, named, "knob"))
    return named


def _default(knobs: Mapping[str, list[Knob]]) -> dict[str, list[int]]:
    """Half, once and twice what each knob is, in its steps."""
    default = {}
    for name, same in knobs.items():
        now, step = max(knob.now for knob in same), same[0].step
        default[name] = sorted({max(step, round(now * factor / step) * step) for factor in (0.5, 1, 2)} | {now})
    return default


def _values(name: str, values: Sequence[int]) -> list[int]:
    given = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    wrong = [v for v in given if isinstance(v, bool) or not isinstance(v, int) or v < 1]
    if wrong or not given:
        raise BudgetError(f"the values of {name} are positive whole numbers, for example [1, 2, 4], got {values!r}")
    return sorted(set(given))


def _checked_by(by: Sequence[str], board: KnobBoard) -> list[str]:
    if isinstance(by, str) or len(by) < 2:
        raise BudgetError(f"a front needs a gain and at least one cost, for example ('params', 'macs'), got {by!r}")
    gain, *costs = by
    known = (*COUNTED, *(knob.name for knob in board.knobs))
    if gain not in known:
        raise BudgetError(not_one_of(gain, known, "gain"))
    for cost in costs:
        if cost not in COUNTED:
            raise BudgetError(not_one_of(cost, COUNTED, "cost"))
    if gain in costs:
        raise BudgetError(f"{gain} cannot be the gain and a cost of one front: put another in its place")
    return list(by)


def _checked_at(at: Mapping[str, tuple[int, int]] | None) -> dict[str, tuple[int, int]]:
    checked = {}
    for name, limits in (at or {}).items():
        if name not in COUNTED:
            raise BudgetError(not_one_of(name, COUNTED, "size"))
        if len(limits) != 2 or not limits[0] <= limits[1]:
            raise BudgetError(
                f"at[{name!r}] is the least and the most, for example (3_000_000, 4_000_000), got {limits!r}"
            )
        checked[name] = (limits[0], limits[1])
    return checked
