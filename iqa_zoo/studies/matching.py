"""Put decoders on one backbone and bring them to one budget."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from iqa_zoo.budgets import Budget, match_budget, measure_budget
from iqa_zoo.budgets.knobs import KnobBoard
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.errors import BudgetError
from iqa_zoo.progress import Reporter
from iqa_zoo.studies.spec import BASELINE, BudgetSpec


def try_match(cfg: Config, to: Any, **options: Any) -> tuple[Config, Budget] | str:
    """Return the config at a budget and what it costs; or the reason, where no setting of its sizes meets the budget."""
    try:
        return match_budget(cfg, to, **options)
    except BudgetError as error:
        return str(error)


def describe_model(model: str, cfg: Config, budget: Budget) -> dict[str, Any]:
    """Return what was trained, for results: the config, its hash and its budget."""
    return {"model": model, "config": resolve_config(cfg), "hash": config_hash(cfg), "budget": budget.to_dict()}


@dataclass(frozen=True)
class Matched:
    """Decoders at one budget.

    Attributes:
        configs, budgets: by model.
        target: a description of the budget.
        unmatched: the reason, for each decoder that no setting brings there; it is compared as it is.
    """

    configs: dict[str, Config]
    budgets: dict[str, Budget]
    target: str = ""
    unmatched: dict[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return what was trained, for results."""
        rows = [
            {**describe_model(name, cfg, self.budgets[name]), "unmatched": self.unmatched.get(name)}
            for name, cfg in self.configs.items()
        ]
        return {"target": self.target, "matched": rows}


def match_models(placed: dict[str, Config], compared: Sequence[str], spec: BudgetSpec, progress: Reporter) -> Matched:
    """Bring the compared decoders to one budget. The baseline stays as it is.

    A decoder that no setting brings to the budget keeps its size, and a line is logged.

    Raises:
        BudgetError: the budget is of no compared model.
    """
    tick = progress.start("matching budgets")
    budgets = {}
    for i, (name, cfg) in enumerate(placed.items()):
        budgets[name] = measure_budget(cfg)
        tick(i, 2 * len(placed))
    if spec.match == "none":
        tick(1, 1)
        return Matched(placed, budgets)
    sizes = {name: getattr(budgets[name].decoder, spec.match) for name in compared if name != BASELINE}
    target: Any
    if spec.budget is not None and spec.budget.isdigit():
        owner, target, description = "", int(spec.budget), f"{int(spec.budget):,} {spec.match}"
    else:
        owner = choose_owner(spec.budget, sizes, find_movable(placed))
        target, description = placed[owner], f"{owner}'s decoder"
    matched, unmatched = dict(placed), {}
    for i, name in enumerate(sizes):
        if name != owner:
            try:
                matched[name], budgets[name] = match_budget(placed[name], target, by=spec.match, scope="decoder")
            except BudgetError as error:
                unmatched[name] = str(error)
                whose = f"{owner}'s budget" if owner else f"a budget of {description}"
                progress.log(f"{name} cannot be brought to {whose} and is compared as it is: {error}", "yellow")
        tick(len(placed) + i, 2 * len(placed))
    tick(1, 1)
    return Matched(matched, budgets, description, unmatched)


def find_movable(placed: Mapping[str, Config]) -> set[str]:
    """Return the models that have a size to change: only such a one can set or meet a budget of others."""
    found = set()
    for name, cfg in placed.items():
        with suppress(BudgetError):  # a part declares knobs that it does not have; matching reports it
            if KnobBoard(cfg).knobs:
                found.add(name)
    return found


def choose_owner(budget: str | None, sizes: Mapping[str, int], movable: Container[str]) -> str:
    """Return the model whose decoder sets the budget: the one that is named, or the smallest.

    The smallest is that of the ``movable`` models, where there are any.

    Raises:
        BudgetError: none of the models is called so.
    """
    if budget in (None, "smallest"):
        candidates = [name for name in sizes if name in movable] or list(sizes)
        return min(candidates, key=sizes.__getitem__, default=BASELINE)
    if budget in sizes:
        return budget
    raise BudgetError(f"--budget {budget!r} is not a number or one of the models: {', '.join(sizes)}, or smallest")
