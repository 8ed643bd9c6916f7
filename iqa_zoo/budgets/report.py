"""Tables and notes of budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from iqa_zoo.budgets.budget import SIZES, Budget, format_latency, format_moved
from iqa_zoo.budgets.formulas import FORMULAS, format_operator
from iqa_zoo.budgets.front import FrontPoint


def list_budget_rows(budgets: Mapping[str, Budget]) -> list[dict[str, Any]]:
    """List one row for each slot of each model, then its decoder and the whole."""
    return [
        {"model": name, "part": part} | {size: getattr(budget, size) for size in SIZES}
        for name, whole in budgets.items()
        for part, budget in {**whole.by_slot, "decoder": whole.decoder, "whole": whole}.items()
    ]


def make_budget_table(budgets: Mapping[str, Budget]) -> Table:
    """Make a table of the rows, in millions."""
    table = Table(title="Parameters, and multiply-accumulates (MACs) for one image, in millions")
    table.add_column("model")
    table.add_column("part")
    for heading in ("parameters", "trainable", "active", "MACs"):
        table.add_column(heading, justify="right")
    last = None
    for row in list_budget_rows(budgets):
        table.add_row(
            row["model"] if row["model"] != last else "",
            row["part"],
            *(f"{row[size] / 1e6:,.3f}" for size in SIZES),
            style="bold" if row["part"] in ("decoder", "whole") else "",
            end_section=row["part"] == "whole",
        )
        last = row["model"]
    return table


def make_operator_table(budgets: Mapping[str, Budget]) -> Table:
    """Make a table of the MACs and formula of each operator, in millions."""
    descriptions = {format_operator(operator): formula.description for operator, formula in FORMULAS.items()}
    table = Table(title="MACs by operator, in millions")
    table.add_column("operator")
    table.add_column("formula")
    for name in budgets:
        table.add_column(name, justify="right")
    for operator in sorted({operator for budget in budgets.values() for operator in budget.macs_by_operator}):
        counts = [budget.macs_by_operator.get(operator, 0) for budget in budgets.values()]
        table.add_row(operator, descriptions.get(operator, ""), *(f"{count / 1e6:,.3f}" for count in counts))
    return table


def make_front_table(name: str, front: Sequence[FrontPoint], by: Sequence[str]) -> Table:
    """Make a table of a front, cheapest first: the value of each knob and the decoder's sizes in millions.

    >>> from iqa_zoo.budgets import pareto_front
    >>> front = pareto_front("deiqt", by=("depth", "params"), grid={"depth": [1, 2]})
    >>> make_front_table("deiqt", front, ("depth", "params")).row_count
    2
    """
    table = Table(title=f"{name}: no setting has more {by[0]} at no more {' and '.join(by[1:])} (decoder, millions)")
    for knob in front[0].values if front else ():
        table.add_column(knob, justify="right")
    for heading in ("parameters", "active", "MACs"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for point in front:
        decoder = point.budget.decoder
        sizes = (decoder.params, decoder.active_params, decoder.macs)
        as_it_is = "" if point.budget.moved else "as it is"
        table.add_row(*map(str, point.values.values()), *(f"{size / 1e6:,.3f}" for size in sizes), as_it_is)
    return table


def format_notes(budgets: Mapping[str, Budget]) -> str:
    """Format notes on the meaning of the numbers and on other operations."""
    lines = ["MACs: matrix products and convolutions, in evaluation mode. Active: parameters used by one token."]
    for name, budget in budgets.items():
        others = ", ".join(f"{operator} {count / 1e6:,.3f} M" for operator, count in budget.other_ops.items())
        size = f"{budget.image_size} x {budget.image_size} pixels" if budget.image_size else "given features"
        lines.append(f"{name}: {size}; not counted as MACs: {others or 'nothing'}")
        if budget.moved:
            lines.append(f"{name}: moved {format_moved(budget.moved)}")
        if budget.latency:
            lines.append(f"{name}: decoder {format_latency(budget.latency)}")
    return "\n".join(lines)


def print_budgets(console: Console, budgets: Mapping[str, Budget]) -> None:
    """Print the tables and the notes."""
    console.print(Group(make_budget_table(budgets), make_operator_table(budgets), Text(format_notes(budgets))))
