"""Bring every combination of parts to one budget."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.budgets.knobs import KnobBoard
from iqa_zoo.budgets.measure import find_backbone_spec
from iqa_zoo.build import build_decoder
from iqa_zoo.config import Config, load_config, resolve_config
from iqa_zoo.contracts import has_flag
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.studies.ablate.variants import ROUTING_LOSSES
from iqa_zoo.studies.matching import describe_model, try_match
from iqa_zoo.studies.runners import Runner
from iqa_zoo.studies.spec import BudgetSpec, StudySpec
from iqa_zoo.studies.swap.levels import FACTORS, Levels, explain_refusal, format_error, make_config
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses

BUDGETS = {"params": 1_000_000, "macs": 20_000_000}
LAYER_SIZE = {"params": 13.5, "macs": 270}  # of a decoder of typical widths, in squares of the model width
TOLERANCES = (0.01, 0.02, 0.04)  # the wider ones where only the model width can move, in steps of its heads
USUAL_DIM = 384  # the model width that the default widths of parts are made for


def load_owner(budget: str | None) -> Config | None:
    """Return the model whose decoder sets the budget, or None where a number does."""
    if budget is None or budget.isdigit():
        return None
    owner = load_config(budget)
    resolve_config(owner)  # all names and keys, before any work
    return drop_mirrored_losses(owner)[0]


def choose_target(spec: BudgetSpec, owner: Config | None, runner: Runner) -> int:
    """Return the parameters or MACs of every decoder."""
    if owner is not None:
        return int(getattr(measure_budget(runner.place(owner)).decoder, spec.match))
    return int(spec.budget or BUDGETS[spec.match])


def choose_dim(target: int, spec: StudySpec) -> int:
    """Return a model width, a multiple of 24, whose decoder comes near the budget with the default widths of parts."""
    width = math.sqrt(target / (LAYER_SIZE[spec.budget.match] * spec.options.depth))
    return max(24, 24 * round(width / 24))


def find_usable(
    named: Mapping[str, list[str]], spec: StudySpec, carrier: Config
) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Return the levels of each factor that can be combined at all, and the rest with the reason.

    ``carrier`` is a model whose backbone is replaced by that of the spec, to find its stages.
    """
    stages = (
        spec.data.boxed_stages
        or find_backbone_spec(
            {**carrier, "backbone": make_backbone_config(spec.backbone.backbone or "nss", [carrier])}
        ).available_stages
    )
    reasons = {
        (factor, name): explain_refusal(
            factor, name, stages, boxed=spec.data.boxed, end_to_end=spec.protocol.end_to_end
        )
        for factor, names in named.items()
        for name in names
    }
    levels = {factor: [name for name in names if reasons[factor, name] is None] for factor, names in named.items()}
    refused = []
    for (factor, name), reason in reasons.items():
        if reason is not None:
            others = math.prod(len(names) for other, names in named.items() if other != factor)
            refused.append({"what": f"{FACTORS[factor]} {name}", "combinations": others, "reason": reason})
    return levels, refused


def match_combinations(
    order: Iterable[Levels], wanted: int, dim: int, target: int, runner: Runner
) -> tuple[list[dict[str, Any]], list[tuple[Levels, str]]]:
    """Return the first ``wanted`` combinations that can be built, a row each, and those before that cannot, with the reason."""
    options = runner.spec.options
    tick = runner.progress.start("matching budgets")
    rows: list[dict[str, Any]] = []
    refused: list[tuple[Levels, str]] = []
    for i, levels in enumerate(order):
        made = match_combination(runner.place(make_config(levels, dim=dim, depth=options.depth)), target, runner)
        if isinstance(made, str):
            refused.append((levels, made))
        else:
            cfg, budget = made
            model = " / ".join(levels.values())
            rows.append({"levels": levels, "placed": cfg, **describe_model(model, cfg, budget)})
        tick(i + 1 if options.draw is None else len(rows), wanted)
        if len(rows) == wanted:
            break
    return rows, refused


def match_combination(cfg: Config, target: int, runner: Runner) -> tuple[Config, Budget] | str:
    """Return a config at the budget with the losses that it needs, and its budget; or why there is none.

    Only widths change: depth and the number of experts are the same for all combinations.
    """
    try:
        decoder = build_decoder(cfg, runner.features)
        if any(has_flag(part, "routes") for part in (*decoder.interactions, decoder.head)):
            cfg["losses"] += [dict(type=name, weight=weight) for name, weight in ROUTING_LOSSES.items()]
        cfg = scale_widths(cfg)
        widths = [knob.name for knob in KnobBoard(cfg).knobs if knob.kind != "count"]
        made: tuple[Config, Budget] | str = ""
        for tolerance in TOLERANCES:
            by = runner.spec.budget.match
            made = try_match(cfg, target, by=by, scope="decoder", knobs=widths, tolerance=tolerance)
            if not isinstance(made, str):
                break
        return made
    except Exception as error:  # whatever a part does wrong costs its own combinations only
        return format_error(error)


def scale_widths(cfg: Config) -> Config:
    """Return a config whose parts have their default widths in proportion to its model width."""
    board = KnobBoard(cfg)
    widths = [knob for knob in board.knobs if knob.kind == "width"]
    return board.turn(tuple((knob, max(1, round(knob.now * cfg["dim"] / USUAL_DIM))) for knob in widths))
