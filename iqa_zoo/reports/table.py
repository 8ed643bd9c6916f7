"""One table, several ways to show it: on a terminal, as Markdown, as rows; :mod:`iqa_zoo.reports.latex` is for papers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table as RichTable
from rich.text import Text

AHEAD, UNDECIDED = "ahead", "undecided"  # marks of rows


@dataclass
class Table:
    """A titled table of text. ``notes`` stand below it; columns named in ``left`` are aligned left, numbers right.

    ``marks`` has a mark for each row, :data:`AHEAD`, :data:`UNDECIDED` or none, for the cell in the column ``marked``: LaTeX sets it
    in bold or with a dagger, which mean ``bold`` and ``dagger``.

    >>> print(Table("Speed", ["model", "ms"], [["a", "3"]], notes=["one run"], left=["model"]).markdown())
    **Speed**
    <BLANKLINE>
    | model | ms |
    | :-- | --: |
    | a | 3 |
    <BLANKLINE>
    one run
    """

    title: str
    columns: Sequence[str]
    rows: list[list[str]]
    notes: Sequence[str] = ()
    left: Sequence[str] = ("model",)
    marks: Sequence[str] = ()
    marked: str = ""
    bold: str = "one of the two is ahead"
    dagger: str = "undecided"

    def rich(self) -> RichTable:
        """The table for a terminal; names with brackets are no markup."""
        notes = Text("\n".join(self.notes), style="table.caption") if self.notes else None
        title = Text(self.title, style="bold") if self.title else None
        table = RichTable(title=title, title_justify="left", caption=notes, caption_justify="left")
        for column in self.columns:
            table.add_column(Text(column), justify="left" if column in self.left else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        return table

    def markdown(self) -> str:
        rule = " | ".join(":--" if column in self.left else "--:" for column in self.columns)
        lines = [f"**{self.title}**", "", "| " + " | ".join(self.columns) + " |", f"| {rule} |"]
        lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in self.rows]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


def tabulate(
    title: str,
    records: Iterable[Any],
    cells: Mapping[str, Callable[[Any], str]],
    notes: Sequence[str] = (),
    left: Sequence[str] = ("model",),
) -> Table:
    """Return a table with a row per record; ``cells`` maps each column to the function that formats its cell.

    >>> tabulate("Speed", [3, 4], {"ms": str, "s": lambda ms: f"{ms / 1000:g}"}).rows
    [['3', '0.003'], ['4', '0.004']]
    """
    return Table(title, list(cells), [[form(record) for form in cells.values()] for record in records], notes, left)


def tabulate_keys(
    title: str, records: Sequence[Mapping[str, Any]], keys: Sequence[str], right: Sequence[str] = ()
) -> list[Table]:
    """Return a table of the values of these keys, those in ``right`` aligned right; no table without records.

    >>> tabulate_keys("Left out", [], ["backbone", "reason"])
    []
    """
    rows = [[str(record[key]) for key in keys] for record in records]
    return [Table(title, keys, rows, left=[key for key in keys if key not in right])] if rows else []


def count(number: float | None) -> str:
    """A count in thousands, millions or billions, or a dash.

    >>> count(94950334), count(4_599_000_000), count(36), count(None)
    ('94.95 M', '4.60 G', '36', '-')
    """
    if number is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return f"{number:.0f}"
