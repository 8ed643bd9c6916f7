"""Measure the latency of decoders, and find the setting of a config's knobs that matches a latency.

Measured times are noisy and hold for one machine. Decoders are therefore timed in one run, with alternating forward passes, and
compared by medians. The search times few settings and interpolates between them.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from iqa_zoo.budgets.budget import Budget, Latency
from iqa_zoo.budgets.decoder_costs import HUGE, DecoderCosts
from iqa_zoo.budgets.knobs import KnobBoard, Knobs, Setting, compute_width_range, list_coarse_values, scale_widths
from iqa_zoo.budgets.measure import Model, find_backbone_shapes, measure_backbone
from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.build import build_decoder
from iqa_zoo.config import Config, load_config
from iqa_zoo.contracts import Features
from iqa_zoo.errors import BudgetError
from iqa_zoo.quality_model import QualityModel

ROUNDS = 11  # forward passes of each setting in the search
FINAL_ROUNDS = 41  # forward passes of the result
STEPS = 6  # settings timed along one knob, besides its ends
MOST = 60  # maximum number of timed settings


@dataclass(frozen=True)
class TimedDecoder:
    """A decoder in evaluation mode with the features of one image."""

    decoder: QualityModel
    features: Features

    def __call__(self) -> None:
        with torch.inference_mode():
            self.decoder(self.features)


def measure_latency(
    cfgs: Mapping[str, str | Path | Mapping[str, Any]], *, rounds: int = FINAL_ROUNDS
) -> dict[str, Latency]:
    """Time the decoders of several configs on the features of one image, alternating in every round.

    Weights and features are random with a fixed seed, so a mixture of experts is timed with untrained routing.

    Args:
        cfgs: name -> a zoo name, a config dict, or a path to a .yaml or .json file.
        rounds: number of timed passes of each, after one warm-up round.

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
    times = time_in_turn([build_timed_decoder(load_config(cfg)) for cfg in cfgs.values()], rounds)
    return {name: _summarize_times(seconds) for name, seconds in zip(cfgs, times, strict=True)}


def build_timed_decoder(cfg: Config) -> TimedDecoder:
    """Build a config's decoder with reproducible random weights."""
    shapes = find_backbone_shapes(cfg)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = build_decoder(cfg, shapes.spec).eval()
    return TimedDecoder(decoder, shapes.features())


def _summarize_times(times: Sequence[float]) -> Latency:
    ordered = sorted(times)
    quartiles = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    return Latency(
        seconds=statistics.median(ordered),
        spread=(quartiles[0], quartiles[2]),
        rounds=len(ordered),
        threads=torch.get_num_threads(),
    )


def resolve_target(to: Model | Budget | float) -> TimedDecoder | float:
    """Resolve a target: a decoder that is timed along with each candidate, or seconds."""
    if isinstance(to, Budget):
        if to.latency is None:
            raise BudgetError("this budget has no measured latency: give the model, its config or seconds")
        return to.latency.seconds
    if isinstance(to, int | float) and not isinstance(to, bool):
        if not (to > 0 and math.isfinite(to)):
            raise BudgetError(f"the target is a positive number of seconds, got {to}; 5 ms are 0.005")
        return float(to)
    return build_timed_decoder(load_config(to.config if isinstance(to, QualityModel) else to))  # type: ignore[arg-type]


class LatencySearch:
    """Searches for a setting that matches a latency, smallest changes first: one width, then all widths, then layers, experts
    and the model width, each alone and with a width."""

    def __init__(self, board: KnobBoard, target: TimedDecoder | float, tolerance: float) -> None:
        self.board, self.target, self.tolerance = board, target, tolerance
        self.costs = DecoderCosts(measure_backbone(board.cfg))
        self.ratios: dict[Setting, float] = {}  # latency of each setting relative to the target
        self.seconds = math.nan if isinstance(target, TimedDecoder) else target

    def run(self) -> tuple[Setting, Latency]:
        """Return the setting (empty if no change is needed) and its final measurement.

        Raises:
            BudgetError: no timed setting is within the tolerance; gives the closest.
        """
        widths = [knob for knob in self.board.knobs if knob.kind == "width"]
        groups: list[Knobs] = [(knob,) for knob in widths]
        if len(widths) > 1:
            groups.append(tuple(widths))
        found = self._confirm(()) if self._is_near(()) else None
        found = found or self._search_widths((), groups)
        for knob in sorted((k for k in self.board.knobs if k.kind != "width"), key=lambda k: k.kind == "dim"):
            if found:
                break
            values = [v for v in list_coarse_values(knob, self.board.knobs) if self._is_possible(((knob, v),))]
            values = sorted({*values, knob.now})
            found, points = self._search_values(values, lambda value, knob=knob: ((knob, value),))  # type: ignore[misc]
            for i in _bracket_target(points):
                found = found or self._search_widths(((knob, values[i]),), groups)
        if found:
            return found
        raise BudgetError(self._describe_failure())

    def _search_widths(self, rough: Setting, groups: Sequence[Knobs]) -> tuple[Setting, Latency] | None:
        for widths in groups:
            lead = max(knob.now for knob in widths)
            low, high = compute_width_range(lead, 8, 8)

            def make_setting(width: int, widths: Knobs = widths, lead: int = lead) -> Setting:
                return scale_widths(rough, widths, width / lead)

            found, _ = self._search_values(range(low, high + 1), make_setting)
            if found:
                return found
        return None

    def _search_values(
        self, values: Sequence[int], make_setting: Callable[[int], Setting]
    ) -> tuple[tuple[Setting, Latency] | None, dict[int, float]]:
        """Time a few of the values, chosen by interpolation, until one is within the tolerance twice.

        Also return the latency ratio of each timed value, by position.
        """
        points: dict[int, float] = {}
        place: int | None = 0
        for _ in range(STEPS + 2):
            if place is None or (setting := make_setting(values[place])) is None:
                break
            ratio = self._measure_ratio(setting)
            if ratio is None:
                break
            points[place] = ratio
            if self._is_near(setting):
                found = self._confirm(setting)
                if found:
                    return found, points
                points[place] = self.ratios[setting]
            place = len(values) - 1 if len(points) == 1 and len(values) > 1 else _choose_next(points)
        return None, points

    def _is_possible(self, setting: Setting) -> bool:
        size = self.costs.compute_size(self.board.turn(setting), "params")
        return size is not None and size <= HUGE

    def _is_near(self, setting: Setting) -> bool:
        ratio = self._measure_ratio(setting)
        return ratio is not None and abs(ratio - 1) <= self.tolerance

    def _measure_ratio(self, setting: Setting) -> float | None:
        """Measure the latency of a setting relative to the target; None if the model is invalid or ``MOST`` is reached."""
        if setting in self.ratios:
            return self.ratios[setting]
        if len(self.ratios) >= MOST or not self._is_possible(setting):
            return None
        self._time(setting, ROUNDS)
        return self.ratios[setting]

    def _confirm(self, setting: Setting) -> tuple[Setting, Latency] | None:
        """Time a setting again with more rounds; None if it is outside the tolerance after all."""
        latency = self._time(setting, FINAL_ROUNDS)
        return (setting, latency) if self._is_near(setting) else None

    def _time(self, setting: Setting, rounds: int) -> Latency:
        decoders = [build_timed_decoder(self.board.turn(setting))]
        if isinstance(self.target, TimedDecoder):
            decoders.append(self.target)
        times = time_in_turn(decoders, rounds)
        self.seconds = statistics.median(times[1]) if len(times) > 1 else self.seconds
        latency = _summarize_times(times[0])
        self.ratios[setting] = latency.seconds / self.seconds
        return replace(latency, target=self.seconds, tried=len(self.ratios))

    def _describe_failure(self) -> str:
        what = f"{1000 * self.seconds:.3g} ms of latency (decoder)"
        if not self.board.knobs:
            return f"nothing can be moved to reach {what}: no part has a knob, there are no blocks, and dim is None"
        if not self.ratios:
            return f"the model is too large to be timed ({HUGE:,} parameters at most): match it by params or macs"
        setting = min(self.ratios, key=lambda s: abs(self.ratios[s] - 1))
        ratio = self.ratios[setting]
        return (
            f"no timed setting of {self.board.format_names()} ({len(self.ratios)} timed) stays within {self.tolerance:.2%} of {what}; "
            f"the closest is {1000 * ratio * self.seconds:.3g} ms ({ratio - 1:+.2%}) with "
            f"{self.board.format_change(setting)}. Measured times are noisy: "
            "allow more knobs or a larger tolerance, or stop other work on this machine"
        )


def _bracket_target(points: Mapping[int, float]) -> list[int]:
    """Find the timed positions on both sides of the target, the nearer one first.

    >>> _bracket_target({0: 0.5, 3: 0.9, 4: 1.3, 9: 4.0})
    [3, 4]
    """
    below = [place for place, ratio in points.items() if ratio <= 1]
    above = [place for place, ratio in points.items() if ratio > 1]
    sides = [*([max(below)] if below else []), *([min(above)] if above else [])]
    return sorted(sides, key=lambda place: abs(points[place] - 1))


def _choose_next(points: Mapping[int, float]) -> int | None:
    """Choose the next position by linear interpolation between two that bracket the target, 1.

    None if the target is out of reach or no position is left.

    >>> _choose_next({0: 0.5, 10: 1.5}), _choose_next({0: 0.5, 1: 1.5}), _choose_next({0: 2.0, 10: 3.0})
    (5, None, None)
    """
    places = sorted(points)
    for low, high in itertools.pairwise(places):
        if points[low] <= 1 <= points[high] and high - low > 1:
            share = (1 - points[low]) / ((points[high] - points[low]) or 1)
            return min(max(low + round(share * (high - low)), low + 1), high - 1)
    return None
