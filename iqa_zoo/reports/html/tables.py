"""Tables of a page: cells that know how they sort, and no more rows than a reader's machine bears."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from iqa_zoo.reports.table import Table

MOST_ROWS = 1000
FILTERED_FROM = 10  # rows; a shorter table is seen at a glance
SORTED_FROM = 3
UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
NUMBER = re.compile(r"^[\[(]?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: ([kMG]))?(?![\w])", re.IGNORECASE)


@dataclass(frozen=True)
class Cell:
    """Text, and the number it sorts by (None: by its letters)."""

    text: str
    key: float | None = None


@dataclass(frozen=True)
class Column:
    """A heading; numbers are aligned right."""

    text: str
    left: bool


@dataclass(frozen=True)
class TableView:
    """A table as the template draws it."""

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


def view_of(table: Table, most: int = MOST_ROWS) -> TableView:
    """A table for a page; of more than ``most`` rows the first ones, and a note that says so.

    >>> view = view_of(Table("Sizes", ["model", "params"], [["a", "2.76 M"], ["b", "9.10 k"]]))
    >>> [row[1].key for row in view.rows], view.columns[0].left
    ([2760000.0, 9100.0], True)
    """
    notes = list(table.notes)
    if len(table.rows) > most:
        notes.append(
            f"The first {most} of {len(table.rows)} rows; all are in the results that this page was made from."
        )
    columns = [Column(text, text in table.left) for text in table.columns]
    rows = [[Cell(text, number_of(text)) for text in row] for row in table.rows[:most]]
    return TableView(table.title, columns, rows, notes)


def number_of(text: str) -> float | None:
    """The number that a cell begins with.

    >>> [number_of(text) for text in ("0.800 [0.790, 0.810]", "+0.03", "2.76 M", "[-0.1, 0.2]", "9 of 10", "10.bmp", "-")]
    [0.8, 0.03, 2760000.0, -0.1, 9.0, None, None]
    """
    found = NUMBER.match(text.replace("−", "-"))
    if not found or text[found.end() : found.end() + 1] == ".":
        return None
    return float(found[1]) * UNITS.get(found[2] or "", 1.0)
