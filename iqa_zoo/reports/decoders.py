"""The table of the decoders of a study at one budget."""

from __future__ import annotations

from typing import Any

from iqa_zoo.reports.shared import format_moved
from iqa_zoo.reports.table import Table, count

Results = dict[str, Any]


def make_decoders_table(results: Results) -> Table:
    """Return the decoders as they were trained: their sizes, and what was moved to match them."""
    rows = []
    for row in results["matched"]:
        decoder = row["budget"]["decoder"]
        moved = format_moved(row["budget"])
        if row["model"] == results.get("baseline"):
            moved = "baseline, not matched"
        elif row.get("unmatched"):
            moved = "as it is, not matched"
        elif not moved:
            moved = "as it is"
        rows.append(
            [row["model"], count(decoder["params"]), count(decoder["active_params"]), count(decoder["macs"]), moved]
        )
    by = results["match"]
    note = (
        "Each decoder as its authors size it; the budgets differ."
        if by == "none"
        else f"Matched by {by} to {results['target']}, within 1 %. The decoder is everything but the backbone."
    )
    columns = ["model", "decoder params", "active", "MACs", "moved"]
    notes = [note, *list_unmatched_notes(results)]
    return Table(f"The decoders {describe_place(results)}", columns, rows, notes, left=["model", "moved"])


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
