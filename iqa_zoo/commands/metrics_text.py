"""Metrics as a table for a reader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from iqa_zoo.commands.shared import make_table

if TYPE_CHECKING:
    from rich.table import Table


def make_metrics_table(columns: Mapping[str, Mapping[str, float | None]], undefined: str | None = None) -> Table:
    """Return a table with a column for each set of metrics.

    An undefined metric is nan or None; ``undefined`` is the reason.
    """
    from iqa_zoo.reports.shared import METRIC_TITLES

    table = make_table("metric", *columns)
    for name, title in METRIC_TITLES.items():
        if any(name in metrics for metrics in columns.values()):
            cells = [format_metric(metrics[name], undefined) if name in metrics else "" for metrics in columns.values()]
            table.add_row(title, *cells)
    return table


def format_metric(value: float | None, undefined: str | None = None) -> str:
    """Format a metric with four decimals, or say why it is undefined.

    >>> format_metric(0.91237), format_metric(None, "all scores are equal")
    ('0.9124', 'undefined (all scores are equal)')
    """
    if value is None or math.isnan(value):
        return f"undefined ({undefined})" if undefined else "undefined"
    return f"{value:.4f}"
