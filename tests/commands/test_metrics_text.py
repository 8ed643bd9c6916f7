"""Metrics as a table: rows in a fixed order, an empty cell where a set has no such metric."""

import math

import pytest
from rich.console import Console

from iqa_zoo.commands.metrics_text import format_metric, make_metrics_table
from iqa_zoo.reports.shared import METRIC_TITLES
from iqa_zoo.stats.metrics import METRICS


@pytest.mark.parametrize(
    ("value", "why", "text"),
    [
        (0.91237, None, "0.9124"),
        (-0.00001, None, "-0.0000"),
        (12.5, "unused", "12.5000"),
        (math.nan, None, "undefined"),
        (None, "all labels are equal", "undefined (all labels are equal)"),
    ],
)
def test_a_metric(value, why, text):
    assert format_metric(value, why) == text


def test_every_metric_has_a_title():
    assert set(METRIC_TITLES) == set(METRICS)


def test_rows_and_columns():
    table = make_metrics_table({"test": {"rmse": 2.0, "srocc": 0.5}, "validation": {"srocc": None}}, "too few")
    assert [column.header for column in table.columns] == ["metric", "test", "validation"]
    cells = [list(column.cells) for column in table.columns]
    assert cells == [["SROCC", "RMSE, raw scores"], ["0.5000", "2.0000"], ["undefined (too few)", ""]]
    assert Console().measure(table).maximum > 0
