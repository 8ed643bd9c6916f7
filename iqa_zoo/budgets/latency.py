"""How long decoders take, measured in turn, and the setting of a config's knobs that takes as long as another.

A measured time is noisy and holds for one machine. So what is compared is timed in one run, one forward pass of each in
turn, and compared by medians; few settings are timed, found by interpolation between those that were.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from iqa_zoo.budgets.budget import Budget, Latency, in_words
from iqa_zoo.budgets.decoder_costs import HUGE, DecoderCosts
from iqa_zoo.budgets.knobs import KnobBoard, Knobs, Setting, coarse_values, scaled, width_range
from iqa_zoo.budgets.measure import Model, backbone_shapes, measure_backbone
from iqa_zoo.build import build_decoder
from iqa_zoo.config import Config, load_config
from iqa_zoo.contracts import Features
from iqa_zoo.errors import BudgetError
from iqa_zoo.quality_model import QualityModel

ROUNDS = 11  # forward passes of each setting while searching
FINAL_ROUNDS = 41  # and of the one that was found
STEPS = 6  # settings timed along one knob, after its ends
MOST = 60  # settings timed in all


@dataclass(frozen=True)
class TimedDecoder:
    """A decoder in evaluation mode and the features of one image it reads."""

    decoder: QualityModel
    features: Features


def measure_latency(
    cfgs: Mapping[str, str | Path | Mapping[str, Any]], *, rounds: int = FINAL_ROUNDS
) -> dict[str, Latency]:
    """Time the decoders of several configs on the features of one image, one after the other in every round.

    Weights and features are random, with a fixed seed: a mixture of experts spreads its queries as an untrained one.

    Args:
        cfgs: name -> a zoo name, a config dict, or a path to a .yaml or .json file.
        rounds: how often each is timed, after one round that warms up.

    Raises:
        BudgetError: ``rounds`` is not a positive number.
        ConfigError: a config has problems.

    >>> latency = measure_latency({"probe": "linear_probe"}, rounds=3)["probe"]
    >>> latency.seconds > 0, latency.rounds
    (True, 3)
    """
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise BudgetError(
            f"rounds is a positive number of timed passes, got {rounds!r}; leave it out for {FINAL_ROUNDS}"
        )
    times = time_in_turn([timed_decoder(load_config(cfg)) for cfg in cfgs.values()], rounds)
    return {name: _latency(seconds) for name, seconds in zip(cfgs, times, strict=True)}


def timed_decoder(cfg: Config) -> TimedDecoder:
    """Build a config's decoder with its random initial weights, the same at every call."""
    shapes = backbone_shapes(cfg)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = build_decoder(cfg, shapes.spec).eval()
    return TimedDecoder(decoder, shapes.features())


def time_in_turn(decoders: Sequence[TimedDecoder], rounds: int) -> list[list[float]]:
    """Seconds of every forward pass, for each decoder; the round that warms up is left out."""
    times: list[list[float]] = [[] for _ in decoders]
    with torch.inference_mode():
        for number in range(rounds + 1):
            for timed, seconds in zip(decoders, times, strict=True):
                took = _seconds(timed)
                if number:
                    seconds.append(took)
    return times


def _seconds(timed: TimedDecoder) -> float:
    started = time.perf_counter()
    timed.decoder(timed.features)
    return time.perf_counter() - started


def _latency(times: Sequence[float]) -> Latency:
    ordered = sorted(times)
    quartiles = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    return Latency(
        seconds=statistics.median(ordered),
        spread=(quartiles[0], quartiles[2]),
        rounds=len(ordered),
        threads=torch.get_num_threads(),
    )


def latency_target(to: Model | Budget | float) -> TimedDecoder | float:
    """What to be as fast as: a decoder, to be timed in turn with each candidate, or seconds."""
    if isinstance(to, Budget):
        if to.latency is None:
            raise BudgetError("this budget has no measured latency: give the model or config itself, or seconds")
        return to.latency.seconds
    if isinstance(to, int | float) and not isinstance(to, bool):
        if not (to > 0 and math.isfinite(to)):
            raise BudgetError(f"the target is a positive number of seconds, got {to}; 5 ms are 0.005")
        return float(to)
    return timed_decoder(load_config(to.config if isinstance(to, QualityModel) else to))  # type: ignore[arg-type]


class LatencySearch:
    """Looks for a setting of the knobs that takes as long as the target, the gentle ones first: a width alone, then
    all widths, then layers, experts and at last the model width, each alone and with a width."""

    def __init__(self, board: KnobBoard, target: TimedDecoder | float, tolerance: float) -> None:
        self.board, self.target, self.tolerance = board, target, tolerance
        self.costs = DecoderCosts(measure_backbone(board.cfg))
        self.ratios: dict[Setting, float] = {}  # how long each setting took, as a part of the target
        self.seconds = math.nan if isinstance(target, TimedDecoder) else target

    def run(self) -> tuple[Setting, Latency]:
        """Return the setting, empty where nothing has to move, and what was measured of it at the end.

        Raises:
            BudgetError: no setting that was timed comes near enough; gives the closest.
        """
        widths = [knob for knob in self.board.knobs if knob.kind == "width"]
        groups: list[Knobs] = [(knob,) for knob in widths]
        if len(widths) > 1:
            groups.append(tuple(widths))
        found = self._confirmed(()) if self._near(()) else None
        found = found or self._by_width((), groups)
        for knob in sorted((k for k in self.board.knobs if k.kind != "width"), key=lambda k: k.kind == "dim"):
            if found:
                break
            values = [v for v in coarse_values(knob, self.board.knobs) if self._possible(((knob, v),))]
            values = sorted({*values, knob.now})
            found, points = self._along(values, lambda value, knob=knob: ((knob, value),))  # type: ignore[misc]
            for i in _around(points):
                found = found or self._by_width(((knob, values[i]),), groups)
        if found:
            return found
        raise BudgetError(self._miss())

    def _by_width(self, rough: Setting, groups: Sequence[Knobs]) -> tuple[Setting, Latency] | None:
        for widths in groups:
            lead = max(knob.now for knob in widths)
            low, high = width_range(lead, 8, 8)

            def turned(width: int, widths: Knobs = widths, lead: int = lead) -> Setting:
                return scaled(rough, widths, width / lead)

            found, _ = self._along(range(low, high + 1), turned)
            if found:
                return found
        return None

    def _along(
        self, values: Sequence[int], setting_of: Callable[[int], Setting]
    ) -> tuple[tuple[Setting, Latency] | None, dict[int, float]]:
        """Time a few of the values, by interpolation, until one is near enough and stays so when it is timed again.
        Also returned: which of the values were timed, by their places, and how long they took."""
        points: dict[int, float] = {}
        place: int | None = 0
        for _ in range(STEPS + 2):
            if place is None or (setting := setting_of(values[place])) is None:
                break
            ratio = self._ratio(setting)
            if ratio is None:
                break
            points[place] = ratio
            if self._near(setting):
                found = self._confirmed(setting)
                if found:
                    return found, points
                points[place] = self.ratios[setting]
            place = len(values) - 1 if len(points) == 1 and len(values) > 1 else _next_place(points)
        return None, points

    def _possible(self, setting: Setting) -> bool:
        size = self.costs.size(self.board.turned(setting), "params")
        return size is not None and size <= HUGE

    def _near(self, setting: Setting) -> bool:
        ratio = self._ratio(setting)
        return ratio is not None and abs(ratio - 1) <= self.tolerance

    def _ratio(self, setting: Setting) -> float | None:
        """How long a setting takes, as a part of the target; None where there is no such model, or enough was timed."""
        if setting in self.ratios:
            return self.ratios[setting]
        if len(self.ratios) >= MOST or not self._possible(setting):
            return None
        self._timed(setting, ROUNDS)
        return self.ratios[setting]

    def _confirmed(self, setting: Setting) -> tuple[Setting, Latency] | None:
        """Time a setting again, longer; None where it is not near enough after all."""
        latency = self._timed(setting, FINAL_ROUNDS)
        return (setting, latency) if self._near(setting) else None

    def _timed(self, setting: Setting, rounds: int) -> Latency:
        decoders = [timed_decoder(self.board.turned(setting))]
        if isinstance(self.target, TimedDecoder):
            decoders.append(self.target)
        times = time_in_turn(decoders, rounds)
        self.seconds = statistics.median(times[1]) if len(times) > 1 else self.seconds
        latency = _latency(times[0])
        self.ratios[setting] = latency.seconds / self.seconds
        return replace(latency, target=self.seconds, tried=len(self.ratios))

    def _miss(self) -> str:
        what = f"{1000 * self.seconds:.3g} ms of latency (decoder)"
        if not self.board.knobs:
            return f"nothing can be moved to reach {what}: no part has a knob, there are no blocks, and dim is None"
        if not self.ratios:
            return f"the model is too large to be timed ({HUGE:,} parameters at most): match it by params or macs"
        setting = min(self.ratios, key=lambda s: abs(self.ratios[s] - 1))
        ratio = self.ratios[setting]
        names = ", ".join(dict.fromkeys(knob.name for knob in self.board.knobs))
        return (
            f"no setting of {names} that was timed ({len(self.ratios)}) stays within {self.tolerance:.2%} of {what}; "
            f"the closest is {1000 * ratio * self.seconds:.3g} ms ({ratio - 1:+.2%}) with "
            f"{in_words(self.board.moved(self.board.turned(setting))) or 'nothing moved'}. Measured times are noisy: "
            "allow more knobs or a larger tolerance, or let the machine do nothing else"
        )


def _around(points: Mapping[int, float]) -> list[int]:
    """The places on both sides of where the target is met, the nearer one first; none where it is out of reach.

    >>> _around({0: 0.5, 3: 0.9, 4: 1.3, 9: 4.0})
    [3, 4]
    """
    below = [place for place, ratio in points.items() if ratio <= 1]
    above = [place for place, ratio in points.items() if ratio > 1]
    sides = [*([max(below)] if below else []), *([min(above)] if above else [])]
    return sorted(sides, key=lambda place: abs(points[place] - 1))


def _next_place(points: Mapping[int, float]) -> int | None:
    """Where between measured places the target, 1, is to be expected; None where it is out of reach or none is left.

    Between two places on either side of the target a straight line is drawn, and a place that was not measured taken.

    >>> _next_place({0: 0.5, 10: 1.5}), _next_place({0: 0.5, 1: 1.5}), _next_place({0: 2.0, 10: 3.0})
    (5, None, None)
    """
    places = sorted(points)
    for low, high in itertools.pairwise(places):
        if points[low] <= 1 <= points[high] and high - low > 1:
            share = (1 - points[low]) / ((points[high] - points[low]) or 1)
            return min(max(low + round(share * (high - low)), low + 1), high - 1)
    return None
