"""The table, sentences and figure of the study, made from its results alone."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.plots import plot_forest
from iqa_zoo.reports.shared import format_data_name, format_number, format_spread
from iqa_zoo.reports.table import Table
from iqa_zoo.stats.estimate import Estimate


def make_tables(results: dict[str, Any]) -> list[Table]:
    title = f"SROCC over {results['seeds']} seeds on one split of {format_data_name(results['data'])}"
    rows = [[row["model"], format_spread(row), format_number(row["deviation"], ".4f")] for row in results["by_seed"]]
    notes = ["Median [quartiles] over seeds; the split and its images are the same.", *list_protocol_notes(results)]
    return [Table(title, ["model", "SROCC", "standard deviation"], rows, notes)]


def make_sentences(results: dict[str, Any]) -> list[str]:
    return [
        f"{row['model']}: SROCC has a standard deviation of {format_number(row['deviation'], '.4f')} over "
        f"{results['seeds']} seeds."
        for row in results["by_seed"]
    ]


def make_figures(results: dict[str, Any]) -> dict[str, Figure]:
    """Return the median and quartiles of each model's SROCC, less the median."""
    groups = {
        "seeds": {
            row["model"]: Estimate(0.0, row["q1"] - row["median"], row["q3"] - row["median"])
            for row in results["by_seed"]
        }
    }
    return {"seeds": plot_forest(groups, title="SROCC by seed, less its median", label="SROCC (quartiles over seeds)")}
