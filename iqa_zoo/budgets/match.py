"""Make one model cost as much as another, by moving the knobs its parts declare (:mod:`iqa_zoo.budgets.knobs`)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from iqa_zoo.budgets.budget import Budget, in_words
from iqa_zoo.budgets.decoder_costs import DecoderCosts
from iqa_zoo.budgets.knobs import Knob, KnobBoard, Knobs, Setting, coarse_values, distance, scaled, width_range
from iqa_zoo.budgets.latency import LatencySearch, latency_target
from iqa_zoo.budgets.measure import (
    Model,
    backbone_shapes,
    backbone_spec,
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
# How far a width may go, down and up: 1/8 to 8 times what it was, and only where that leads nowhere down to 1 and up to 64
# times. Last, how far down the model width may go.
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
    """Return a config like ``cfg`` that costs as much as ``to``, and its budget, whose ``moved`` says what changed.

    As few knobs as possible are moved, as little as possible: first one width alone, then the number of experts or
    layers with a width, both with a width, last the model width. Whatever is compared, ``cfg`` keeps its backbone.

    Latency is measured: the median of timed forward passes of the decoders on the features of one image, in turn with
    those of ``to``, on this machine with the threads that torch has. It is noisy and holds for this machine only; the
    budget's ``latency`` says what was measured, of the match and of what it was matched to.

    Args:
        cfg: a zoo name, a config dict, or a path to a .yaml or .json file.
        to: another of these or a built model, a budget, or the number itself (by latency: seconds).
        by: ``"params"``, ``"active_params"`` (of a mixture the experts one token meets), ``"macs"`` or ``"latency"``.
        scope: ``"decoder"``, everything but the backbone, or ``"model"``; latency is the decoder's.
        tolerance: how far from the target is near enough, as a part of it: 0.01 where left out, by latency 0.05.
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
    near = TOLERANCE["latency" if by == "latency" else "counted"] if tolerance is None else tolerance
    if not 0 < near < 1:
        raise BudgetError(f"tolerance is a part of the target, between 0 and 1, got {tolerance!r}")
    if by == "latency":
        return _matched_in_time(load_config(cfg), to, scope, near, knobs)
    own = load_config(cfg)
    measure_backbone(own)  # before the target's is made: it may be the same
    search = _Search(own, _target(to, by, scope), by, scope, near, knobs)
    matched = search.board.turned(search.run())
    return matched, replace(measure_config(matched), moved=search.board.moved(matched))


def _matched_in_time(
    cfg: Config, to: Model | Budget | float, scope: Scope, tolerance: float, knobs: Sequence[str] | None
) -> tuple[Config, Budget]:
    if scope != "decoder":
        raise BudgetError(f"latency is measured of the decoder, got scope={scope!r}: leave scope out")
    search = LatencySearch(KnobBoard(cfg, knobs), latency_target(to), tolerance)
    setting, latency = search.run()
    matched = search.board.turned(setting)
    return matched, replace(measure_config(matched), moved=search.board.moved(matched), latency=latency)


def _target(to: Model | Budget | float, by: By, scope: Scope) -> int:
    if isinstance(to, int | float) and not isinstance(to, bool):
        if to < 1 or to != int(to):
            raise BudgetError(f"the target is a positive whole number of {by}, got {to}")
        return int(to)
    if isinstance(to, str | Path | Mapping) and scope == "decoder":
        return _decoder_size(load_config(to), by)
    budget = to if isinstance(to, Budget) else measure_budget(to)  # type: ignore[arg-type]
    return int(getattr(budget.decoder if scope == "decoder" and budget.by_slot else budget, by))


def _decoder_size(cfg: Config, by: By) -> int:
    """One size of a config's decoder, on the shapes its backbone gives; the backbone is not counted."""
    if by == "macs":
        backbone = backbone_shapes(cfg)
        return measure_decoder(cfg, backbone.spec, backbone.features()).decoder.macs
    return int(getattr(measure_parameters(cfg, backbone_spec(cfg)).decoder, by))


class _Search:
    """Looks for the gentlest setting of the knobs that meets the target."""

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

    def _values(self, knob: Knob, reach: Reach) -> list[int]:
        """Where a coarse knob may be turned to."""
        if (knob, reach) not in self.values:
            values = coarse_values(knob, self.knobs, reach[2])
            self.values[knob, reach] = [value for value in values if self._possible(((knob, value),))]
        return self.values[knob, reach]

    def _best(self, coarse_stage: list[Knobs], fine_stage: list[Knobs], reach: Reach) -> Setting | None:
        """The gentlest setting that meets the target and moves one group of each stage."""
        moves: list[tuple[Setting, Knobs]] = []
        for coarse, fine in itertools.product(coarse_stage, fine_stage):
            values = [self._values(knob, reach) for knob in coarse]
            if not all(values) or not self._within(coarse, fine, values, reach):
                continue
            if len(coarse) == 1 and not fine:
                moves.append((self._alone(*coarse, *values), fine))
            else:
                moves += ((tuple(zip(coarse, v, strict=True)), fine) for v in itertools.product(*values))
        best: Setting | None = None
        for rough, fine in sorted(moves, key=lambda move: distance(move[0])):
            if best is not None and distance(rough) >= distance(best):
                break
            setting = self._refined(rough, fine, reach)
            if setting and self._meets(setting) and (best is None or distance(setting) < distance(best)):
                best = setting
        return best

    def _alone(self, knob: Knob, values: list[int]) -> Setting:
        """The setting of one knob that comes nearest to the target."""
        return ((knob, values[_nearest(lambda i: self._size(((knob, values[i]),)), self.target, 0, len(values) - 1)]),)

    def _within(self, coarse: Knobs, fine: Knobs, values: list[list[int]], reach: Reach) -> bool:
        """Whether the target lies between all these knobs at their lowest and all at their highest."""
        lead = max((knob.now for knob in fine), default=1)
        low, high = width_range(lead, *reach[:2])
        smallest = self._size(scaled(tuple((k, v[0]) for k, v in zip(coarse, values, strict=True)), fine, low / lead))
        largest = self._size(scaled(tuple((k, v[-1]) for k, v in zip(coarse, values, strict=True)), fine, high / lead))
        slack = self.tolerance * self.target
        too_large = smallest is not None and smallest > self.target + slack
        too_small = largest is not None and largest < self.target - slack
        return not too_large and not too_small

    def _refined(self, rough: Setting, widths: Knobs, reach: Reach) -> Setting:
        """The setting that comes nearest to the target when these widths too are changed, by a common factor."""
        if not widths:
            return rough
        lead = max(knob.now for knob in widths)

        def size(width: int) -> int | None:
            return self._size(scaled(rough, widths, width / lead))

        width = _nearest(size, self.target, *width_range(lead, *reach[:2]), near=self.tolerance * self.target / 10)
        return scaled(rough, widths, width / lead)

    def _possible(self, setting: Setting) -> bool:
        return self.costs.size(self.board.turned(setting), "params") is not None

    def _size(self, setting: Setting) -> int | None:
        """What a setting costs; None where there is no such model (sizes that do not divide) or it is huge."""
        size = self.costs.size(self.board.turned(setting), self.by)
        if size is None:
            return None
        size += self.added
        if self.closest is None or abs(size - self.target) < abs(self.closest[0] - self.target):
            self.closest = (size, setting)
        return size

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
            f"{in_words(self.board.moved(self.board.turned(setting))) or 'nothing moved'}. "
            "Allow more knobs or a larger tolerance, or match the other model to this one"
        )


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
