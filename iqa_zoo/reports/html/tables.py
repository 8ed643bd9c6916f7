"""Tables of a page: cells with sort keys, and a limited number of rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from iqa_zoo.reports.table import Table

MOST_ROWS = 1000
FILTERED_FROM = 10  # rows; a shorter table needs no filter
SORTED_FROM = 3
UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
NUMBER = re.compile(r"^[\[(]?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: ([kMG]))?(?![\w])", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """Text with its sort key (None: alphabetical)."""

    text: str
    key: float | None = None


@dataclass(frozen=True)
class Column:
    """A heading; columns of numbers are aligned right."""

    text: str
    left: bool


@dataclass(frozen=True)
class TableView:
    """A table for the template."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str]

    @property
    def sorts(self) -> bool:
        return len(self.rows) >= SORTED_FROM

    @property
    def filters(self) -> bool:
        return len(self.rows) >= FILTERED_FROM


def make_view(table: Table, most: int = MOST_ROWS) -> TableView:
    """Make the view of a table, with at most ``most`` rows and a note if some are left out.

    >>> view = make_view(Table("Sizes", ["model", "params"], [["a", "2.76 M"], ["b", "9.10 k"]]))
    >>> [row[1].key for row in view.rows], view.columns[0].left
    ([2760000.0, 9100.0], True)
    """
    notes = list(table.notes)
    if len(table.rows) > most:
        notes.append(f"The first {most} of {len(table.rows)} rows; the results behind this page hold all.")
    columns = [Column(text, text in table.left) for text in table.columns]
    rows = [[Cell(text, parse_number(text)) for text in row] for row in table.rows[:most]]
    return TableView(table.title, columns, rows, notes)


def parse_number(text: str) -> float | None:
    """Parse the number at the start of a cell.

    >>> [parse_number(text) for text in ("0.800 [0.790, 0.810]", "+0.03", "2.76 M", "[-0.1, 0.2]", "9 of 10", "10.bmp", "-")]
    [0.8, 0.03, 2760000.0, -0.1, 9.0, None, None]
    """
    found = NUMBER.match(text.replace("−", "-"))
    if not found or text[found.end() : found.end() + 1] == ".":
        return None
    return float(found[1]) * UNITS.get(found[2] or "", 1.0)
