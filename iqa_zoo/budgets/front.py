"""Pareto-optimal settings of a model's knobs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iqa_zoo.budgets.budget import Budget
from iqa_zoo.budgets.decoder_costs import DecoderCosts
from iqa_zoo.budgets.knobs import Knob, KnobBoard, Setting, compute_distance
from iqa_zoo.budgets.measure import measure_backbone, measure_config
from iqa_zoo.config import Config, load_config
from iqa_zoo.errors import BudgetError, not_one_of

COUNTED = ("params", "active_params", "macs")
MOST = 20_000  # maximum number of settings on a grid

Grid = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class FrontPoint:
    """A setting on the front.

    Attributes:
        values: value of each knob of the grid, by name.
        cfg: the config.
        budget: its cost; ``moved`` lists the changes.
    """

    values: dict[str, int]
    cfg: Config
    budget: Budget

    def to_dict(self) -> dict[str, Any]:
        """The point as JSON-ready data."""
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
    """Evaluate a model's knobs over a grid and return the Pareto front, cheapest first.

    The first of ``by`` is the gain (more is better), the others are costs (less is better). A setting is dominated if another
    is at least as good in all of them and better in one. ``("params", "macs")`` finds the most parameters per computation;
    ``("params", "active_params")`` shows the effect of a mixture of experts. The gain may also be a knob: ``("depth", "macs")``
    with ``at={"params": (3_000_000, 4_000_000)}`` trades width for depth among decoders of similar size. The front shows
    cost only; quality needs training.

    Sizes are those of the decoder; the backbone does not change. Invalid and very large models are left out. Of settings that
    are equal in all of ``by``, the one with the smallest change is kept.

    Args:
        cfg: a zoo name, a config dict, or a path to a .yaml or .json file.
        by: a gain, then one or more costs: ``"params"``, ``"active_params"``, ``"macs"``; the gain may be a knob.
        grid: knob -> values (for several widths of one name, of the largest); other knobs do not change. Default: half, once and
            twice the value of every knob.
        at: ``"params"``, ``"active_params"`` or ``"macs"`` -> (minimum, maximum); settings outside are left out.

    Raises:
        BudgetError: an invalid name or value, a grid that is too large, or no valid setting on the grid.
        ConfigError: the config has problems.

    >>> front = pareto_front("deiqt", by=("depth", "params"), grid={"depth": [1, 2, 3]})
    >>> [(point.values, point.budget.decoder.params) for point in front]
    [({'depth': 1}, 2369280), ({'depth': 2}, 4735872), ({'depth': 3}, 7102464)]
    """
    base = load_config(cfg)
    board = KnobBoard(base)
    by = _check_by(by, board)
    knobs = _group_knobs(board, grid)
    chosen = {name: _check_values(name, values) for name, values in (grid or _make_default_grid(knobs)).items()}
    if not chosen:
        raise BudgetError("this model has no knob to turn: no part has one, there are no blocks, and dim is None")
    if (count := math.prod(map(len, chosen.values()))) > MOST:
        raise BudgetError(f"the grid has {count:,} settings, more than {MOST:,}: give fewer knobs or values")
    tried = list(_evaluate_grid(board, knobs, chosen, by, _check_at(at)))
    if not tried:
        raise BudgetError(
            f"none of the {count:,} settings of {', '.join(chosen)} makes a valid model within the limits: widen the grid or 'at'"
        )
    return [_make_point(board, found) for found in select_front(tried)]


def select_front(tried: Iterable[_Tried]) -> list[_Tried]:
    """Select the settings that are not dominated, by rising cost; of equal ones the first."""
    front: list[_Tried] = []
    # Sorted by rising cost, then falling gain: no setting is dominated by a later one.
    for one in sorted(tried, key=lambda t: (t.costs, -t.gain, compute_distance(t.setting))):
        dominated = (
            other.gain >= one.gain and all(a <= b for a, b in zip(other.costs, one.costs, strict=True))
            for other in front
        )
        if not any(dominated):
            front.append(one)
    return front


def _evaluate_grid(
    board: KnobBoard,
    knobs: Mapping[str, list[Knob]],
    grid: Mapping[str, list[int]],
    by: Sequence[str],
    at: Mapping[str, tuple[int, int]],
) -> Iterator[_Tried]:
    costs = DecoderCosts(measure_backbone(board.cfg))
    macs = "macs" in (*by, *at)
    for values in itertools.product(*grid.values()):
        knob_values = dict(zip(grid, values, strict=True))
        setting = _make_setting(board, knobs, knob_values)
        sizes = costs.compute_sizes(board.turn(setting), macs=macs)
        if sizes is None or not all(low <= sizes[name] <= high for name, (low, high) in at.items()):
            continue
        gain = sizes[by[0]] if by[0] in COUNTED else knob_values.get(by[0], knobs[by[0]][0].now)
        yield _Tried(setting, knob_values, gain, tuple(sizes[name] for name in by[1:]))


def _make_setting(board: KnobBoard, knobs: Mapping[str, list[Knob]], values: Mapping[str, int]) -> Setting:
    """Make a setting with knobs in turning order; of several knobs of one name, the widest gets the value."""
    return tuple(
        (knob, max(1, round(knob.now * values[knob.name] / max(k.now for k in knobs[knob.name]))))
        for knob in board.knobs
        if knob.name in values
    )


def _make_point(board: KnobBoard, found: _Tried) -> FrontPoint:
    cfg = board.turn(found.setting)
    return FrontPoint(found.values, cfg, replace(measure_config(cfg), moved=board.find_moved(cfg)))


def _group_knobs(board: KnobBoard, grid: Grid | None) -> dict[str, list[Knob]]:
    groups: dict[str, list[Knob]] = {}
    for knob in board.knobs:
        groups.setdefault(knob.name, []).append(knob)
    for name in grid or ():
        if name not in groups:
            raise BudgetError(not_one_of(name, groups, "knob"))
    return groups


def _make_default_grid(knobs: Mapping[str, list[Knob]]) -> dict[str, list[int]]:
    """Make the default grid: half, once and twice the value of each knob, in its steps."""
    default = {}
    for name, same in knobs.items():
        now, step = max(knob.now for knob in same), same[0].step
        default[name] = sorted({max(step, round(now * factor / step) * step) for factor in (0.5, 1, 2)} | {now})
    return default


def _check_values(name: str, values: Sequence[int]) -> list[int]:
    given = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    wrong = [v for v in given if isinstance(v, bool) or not isinstance(v, int) or v < 1]
    if wrong or not given:
        raise BudgetError(f"the values of {name} are positive whole numbers, for example [1, 2, 4], got {values!r}")
    return sorted(set(given))


def _check_by(by: Sequence[str], board: KnobBoard) -> list[str]:
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
        raise BudgetError(f"{gain} cannot be both the gain and a cost: replace one of them")
    return list(by)


def _check_at(at: Mapping[str, tuple[int, int]] | None) -> dict[str, tuple[int, int]]:
    checked = {}
    for name, limits in (at or {}).items():
        if name not in COUNTED:
            raise BudgetError(not_one_of(name, COUNTED, "size"))
        if len(limits) != 2 or not limits[0] <= limits[1]:
            raise BudgetError(f"at[{name!r}] is (minimum, maximum), for example (3_000_000, 4_000_000), got {limits!r}")
        checked[name] = (limits[0], limits[1])
    return checked
