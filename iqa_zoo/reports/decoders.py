"""The table of the decoders of a study at one budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.reports.table import Table, count, tabulate

Results = dict[str, Any]
SIZE_CELLS: dict[str, Callable[[Results], str]] = {
    "decoder params": lambda row: count(row["budget"]["decoder"]["params"]),
    "active": lambda row: count(row["budget"]["decoder"]["active_params"]),
    "MACs": lambda row: count(row["budget"]["decoder"]["macs"]),
}


def make_decoders_table(results: Results) -> Table:
    """Return the decoders as they were trained: their sizes, and what was moved to match them."""
    by = results["match"]
    note = (
        "Each decoder as its authors size it; the budgets differ."
        if by == "none"
        else f"Matched by {by} to {results['target']}, within 1 %. The decoder is everything but the backbone."
    )

    def describe_change(row: Results) -> str:
        if row["model"] == results.get("baseline"):
            return "baseline, not matched"
        return "as it is, not matched" if row.get("unmatched") else format_moved(row["budget"]["moved"]) or "as it is"

    cells = {"model": lambda row: row["model"], **SIZE_CELLS, "moved": describe_change}
    notes = [note, *list_unmatched_notes(results)]
    return tabulate(
        f"The decoders {describe_place(results)}", results["matched"], cells, notes, left=["model", "moved"]
    )


def list_unmatched_notes(results: Results) -> list[str]:
    """Return the decoders that are not at the budget: a difference to one is of size as well."""
    names = [row["model"] for row in results.get("matched", []) if row.get("unmatched")]
    if not names:
        return []
    return [
        f"Not at this budget, as no setting of their knobs meets it: {', '.join(names)}. A difference to one of them is of size "
        "as well as of parts."
    ]


def describe_place(results: Results) -> str:
    """Return on which backbone the models are."""
    return "on their own backbones" if results["backbone"] == "own" else f"on {results['backbone']}"
