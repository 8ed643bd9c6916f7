"""Match the cost of one model to another by turning the knobs its parts declare (:mod:`iqa_zoo.budgets.knobs`)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from iqa_zoo.budgets.budget import Budget
from iqa_zoo.budgets.decoder_costs import DecoderCosts
from iqa_zoo.budgets.knobs import (
    Knob,
    KnobBoard,
    Knobs,
    Setting,
    compute_distance,
    compute_width_range,
    list_coarse_values,
    scale_widths,
)
from iqa_zoo.budgets.latency import LatencySearch, resolve_target
from iqa_zoo.budgets.measure import (
    Model,
    find_backbone_shapes,
    find_backbone_spec,
    measure_backbone,
    measure_budget,
    measure_config,
    measure_decoder,
    measure_parameters,
)
from iqa_zoo.config import Config, load_config
from iqa_zoo.errors import BudgetError, not_one_of

By = Literal["params", "active_params", "macs", "latency"]
Scope = Literal["decoder", "model"]
# Limits (divisor, factor) of a width, and divisor of the model width. The wider limits are tried only if the first fail.
Reach = tuple[int, int, int]
REACH: tuple[Reach, ...] = ((8, 8, 4), (10**9, 64, 64))
TOLERANCE = {"counted": 0.01, "latency": 0.05}


def match_budget(
    cfg: str | Path | Mapping[str, Any],
    to: Model | Budget | float,
    *,
    by: By = "params",
    scope: Scope = "decoder",
    tolerance: float | None = None,
    knobs: Sequence[str] | None = None,
) -> tuple[Config, Budget]:
    """Match the cost of ``cfg`` to ``to``; return the changed config and its budget, whose ``moved`` lists the changes.

    The change is as small as possible: first one width, then the number of experts or layers with a width, both with a width,
    and last the model width. The backbone never changes.

    Latency is the median of timed forward passes of the decoder on the features of one image, alternating with those of ``to``.
    It is noisy and holds for this machine only; the budget's ``latency`` holds both measurements.

    Args:
        cfg: a zoo name, a config dict, or a path to a .yaml or .json file.
        to: another of these, a built model, a budget, or a number (for latency: seconds).
        by: ``"params"``, ``"active_params"`` (of a mixture, the experts used by one token), ``"macs"`` or ``"latency"``.
        scope: ``"decoder"``, everything except the backbone, or ``"model"``; latency is always the decoder's.
        tolerance: allowed relative deviation from the target; default 0.01, for latency 0.05.
        knobs: knobs that may be turned, default all: ``"depth"``, ``"dim"``, or a config path such as
            ``"head.hidden"`` or ``"interactions.*.hidden"``.

    Raises:
        BudgetError: no setting is within the tolerance; gives the closest.
        ConfigError: a config has problems.

    >>> cfg, budget = match_budget("deiqt", to=3_000_000)
    >>> budget.moved
    {'interactions.2.hidden': (1536, 2356)}
    """
    if by not in get_args(By):
        raise BudgetError(not_one_of(by, get_args(By), "by"))
    if scope not in get_args(Scope):
        raise BudgetError(not_one_of(scope, get_args(Scope), "scope"))
    near = TOLERANCE["latency" if by == "latency" else "counted"] if tolerance is None else tolerance
    if not 0 < near < 1:
        raise BudgetError(f"tolerance is relative to the target, between 0 and 1, got {tolerance!r}")
    if by == "latency":
        return _match_latency(load_config(cfg), to, scope, near, knobs)
    own = load_config(cfg)
    measure_backbone(own)  # first, since the target may have the same backbone
    search = _Search(own, _measure_target(to, by, scope), by, scope, near, knobs)
    matched = search.board.turn(search.run())
    return matched, replace(measure_config(matched), moved=search.board.find_moved(matched))


def _match_latency(
    cfg: Config, to: Model | Budget | float, scope: Scope, tolerance: float, knobs: Sequence[str] | None
) -> tuple[Config, Budget]:
    if scope != "decoder":
        raise BudgetError(f"latency is measured of the decoder, got scope={scope!r}: leave scope out")
    search = LatencySearch(KnobBoard(cfg, knobs), resolve_target(to), tolerance)
    setting, latency = search.run()
    matched = search.board.turn(setting)
    return matched, replace(measure_config(matched), moved=search.board.find_moved(matched), latency=latency)


def _measure_target(to: Model | Budget | float, by: By, scope: Scope) -> int:
    if isinstance(to, int | float) and not isinstance(to, bool):
        if to < 1 or to != int(to):
            raise BudgetError(f"the target is a positive whole number of {by}, got {to}")
        return int(to)
    if isinstance(to, str | Path | Mapping) and scope == "decoder":
        return _measure_decoder_size(load_config(to), by)
    budget = to if isinstance(to, Budget) else measure_budget(to)  # type: ignore[arg-type]
    return int(getattr(budget.decoder if scope == "decoder" and budget.by_slot else budget, by))


def _measure_decoder_size(cfg: Config, by: By) -> int:
    """Measure one size of a config's decoder without counting its backbone."""
    if by == "macs":
        backbone = find_backbone_shapes(cfg)
        return measure_decoder(cfg, backbone.spec, backbone.features()).decoder.macs
    return int(getattr(measure_parameters(cfg, find_backbone_spec(cfg)).decoder, by))


class _Search:
    """Searches for the smallest change of the knobs that meets the target."""

    def __init__(
        self, cfg: Config, target: int, by: By, scope: Scope, tolerance: float, names: Sequence[str] | None
    ) -> None:
        self.cfg, self.target, self.by, self.scope, self.tolerance = cfg, target, by, scope, tolerance
        self.board = KnobBoard(cfg, names)
        self.knobs = self.board.knobs
        backbone = measure_backbone(cfg)
        self.costs = DecoderCosts(backbone)
        self.added = getattr(backbone.budget, by) if scope == "model" else 0
        self.closest: tuple[int, Setting] | None = None
        self.values: dict[tuple[Knob, Reach], list[int]] = {}

    def run(self) -> Setting:
        """Return the setting; empty if no change is needed."""
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
                    found = self._find_best(coarse_stage, fine_stage, reach)
                    if found is not None:
                        return found
        raise BudgetError(self._describe_failure())

    def _list_values(self, knob: Knob, reach: Reach) -> list[int]:
        """List the valid values of a coarse knob."""
        if (knob, reach) not in self.values:
            values = list_coarse_values(knob, self.knobs, reach[2])
            self.values[knob, reach] = [value for value in values if self._is_possible(((knob, value),))]
        return self.values[knob, reach]

    def _find_best(self, coarse_stage: list[Knobs], fine_stage: list[Knobs], reach: Reach) -> Setting | None:
        """Find the smallest change that meets the target and moves one group of each stage."""
        moves: list[tuple[Setting, Knobs]] = []
        for coarse, fine in itertools.product(coarse_stage, fine_stage):
            values = [self._list_values(knob, reach) for knob in coarse]
            if not all(values) or not self._can_reach(coarse, fine, values, reach):
                continue
            if len(coarse) == 1 and not fine:
                moves.append((self._find_nearest(*coarse, *values), fine))
            else:
                moves += ((tuple(zip(coarse, v, strict=True)), fine) for v in itertools.product(*values))
        best: Setting | None = None
        for rough, fine in sorted(moves, key=lambda move: compute_distance(move[0])):
            if best is not None and compute_distance(rough) >= compute_distance(best):
                break
            setting = self._refine(rough, fine, reach)
            closer = best is None or compute_distance(setting) < compute_distance(best)
            if setting and self._meets(setting) and closer:
                best = setting
        return best

    def _find_nearest(self, knob: Knob, values: list[int]) -> Setting:
        """Find the value of one knob that is nearest to the target."""

        def size(i: int) -> int | None:
            return self._compute_size(((knob, values[i]),))

        return ((knob, values[_search_nearest(size, self.target, 0, len(values) - 1)]),)

    def _can_reach(self, coarse: Knobs, fine: Knobs, values: list[list[int]], reach: Reach) -> bool:
        """Whether the target lies between the smallest and the largest setting of these knobs."""
        lead = max((knob.now for knob in fine), default=1)

        def size(end: int, width: int) -> int | None:
            rough = tuple((knob, some[end]) for knob, some in zip(coarse, values, strict=True))
            return self._compute_size(scale_widths(rough, fine, width / lead))

        low, high = compute_width_range(lead, *reach[:2])
        smallest, largest = size(0, low), size(-1, high)
        slack = self.tolerance * self.target
        too_large = smallest is not None and smallest > self.target + slack
        too_small = largest is not None and largest < self.target - slack
        return not too_large and not too_small

    def _refine(self, rough: Setting, widths: Knobs, reach: Reach) -> Setting:
        """Refine a setting by scaling these widths by a common factor, as near to the target as possible."""
        if not widths:
            return rough
        lead = max(knob.now for knob in widths)

        def size(width: int) -> int | None:
            return self._compute_size(scale_widths(rough, widths, width / lead))

        limits, near = compute_width_range(lead, *reach[:2]), self.tolerance * self.target / 10
        width = _search_nearest(size, self.target, *limits, near=near)
        return scale_widths(rough, widths, width / lead)

    def _is_possible(self, setting: Setting) -> bool:
        return self.costs.compute_size(self.board.turn(setting), "params") is not None

    def _compute_size(self, setting: Setting) -> int | None:
        """Compute the size of a setting; None if the model is invalid or too large."""
        size = self.costs.compute_size(self.board.turn(setting), self.by)
        if size is None:
            return None
        size += self.added
        if self.closest is None or abs(size - self.target) < abs(self.closest[0] - self.target):
            self.closest = (size, setting)
        return size

    def _meets(self, setting: Setting) -> bool:
        size = self._compute_size(setting)
        return size is not None and abs(size - self.target) <= self.tolerance * self.target

    def _describe_failure(self) -> str:
        what = f"{self.target:,} {self.by} ({self.scope})"
        if not self.knobs:
            return f"nothing can be moved to reach {what}: no part has a knob, there are no blocks, and dim is None"
        assert self.closest is not None
        size, setting = self.closest
        return (
            f"no setting of {self.board.format_names()} comes within "
            f"{self.tolerance:.2%} of {what}; the closest is {size:,} ({size / self.target - 1:+.2%}) with "
            f"{self.board.format_change(setting)}. "
            "Allow more knobs or a larger tolerance, or match the other model to this one"
        )


def _search_nearest(size: Callable[[int], int | None], target: int, low: int, high: int, near: float = 0) -> int:
    """Find the number in low..high whose size is nearest to the target, or within ``near`` of it.

    The size must grow with the number. Regula falsi, exact for linear growth, alternates with bisection.
    """
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
