"""Tables that fit: columns and rows of dashes left out, and wide tables in several blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iqa_zoo.reports.table import Table

LONGEST = 34  # characters of a column of text; longer cells wrap
BESIDE = 3  # characters of a border between two columns


def drop_empty(table: Table) -> Table:
    """Leave out rows, then columns, that hold dashes only; the first column and a table of dashes alone stay.

    >>> drop_empty(Table("T", ["model", "x", "y"], [["a", "-", "1"], ["b", "-", "-"]])).rows
    [['a', '1']]
    """
    rows = [i for i, row in enumerate(table.rows) if any(cell != "-" for cell in row[1:])]
    if not rows:
        return table
    columns = [0, *(k for k in range(1, len(table.columns)) if any(table.rows[i][k] != "-" for i in rows))]
    return replace(
        table,
        columns=[table.columns[k] for k in columns],
        rows=[[table.rows[i][k] for k in columns] for i in rows],
        marks=[table.marks[i] for i in rows] if table.marks else (),
    )


def lead_with_verdict(table: Table) -> Table:
    """Move the verdict to just after the columns that name a row.

    >>> list(lead_with_verdict(Table("T", ["model", "x", "verdict"], [["a", "1", "ahead"]])).columns)
    ['model', 'verdict', 'x']
    """
    if "verdict" not in table.columns:
        return table
    verdict, keys = list(table.columns).index("verdict"), count_keys(table.rows)
    if verdict <= keys:
        return table
    others = [k for k in range(keys, len(table.columns)) if k != verdict]
    return _take_columns(table, [*range(keys), verdict, *others])


def split_columns(table: Table, width: int) -> list[Table]:
    """Split a table that is wider than ``width`` characters into blocks, each with the columns that name a row.

    The title is on the first block and the notes are on the last.

    >>> [list(block.columns) for block in split_columns(Table("T", ["model", "x", "y"], [["a", "1", "2"]]), 12)]
    [['model', 'x'], ['model', 'y']]
    """
    widths = [measure_column(table, k) + BESIDE for k in range(len(table.columns))]
    if sum(widths) + 1 <= width or len(widths) < 3:
        return [table]
    keys = list(range(count_keys(table.rows)))
    room = width - 1 - sum(widths[k] for k in keys)
    groups: list[list[int]] = [[]]
    for k in range(len(keys), len(widths)):
        if groups[-1] and sum(widths[i] for i in groups[-1]) + widths[k] > room:
            groups.append([])
        groups[-1].append(k)
    blocks = [_take_columns(table, [*keys, *group]) for group in groups]
    blocks = [blocks[0], *(_drop_rows(block, len(keys)) for block in blocks[1:])]
    last = len(blocks) - 1
    return [
        replace(block, title=table.title if i == 0 else "", notes=table.notes if i == last else ())
        for i, block in enumerate(blocks)
    ]


def _drop_rows(table: Table, keys: int) -> Table:
    """Leave out the rows of a block that hold dashes only."""
    rows = [i for i, row in enumerate(table.rows) if any(cell != "-" for cell in row[keys:])]
    marks = [table.marks[i] for i in rows] if table.marks else ()
    return replace(table, rows=[table.rows[i] for i in rows], marks=marks) if rows else table


def measure_column(table: Table, k: int) -> int:
    """Return the characters that a column takes: its longest cell or heading, text up to :data:`LONGEST`."""
    longest = max(len(str(cell)) for cell in (table.columns[k], *(row[k] for row in table.rows)))
    return min(longest, max(LONGEST, len(table.columns[k]))) if table.columns[k] in table.left else longest


def count_keys(rows: Sequence[Sequence[str]]) -> int:
    """Count the first columns that name a row: as few as tell the rows apart, at most three, else one.

    >>> count_keys([["a", "x", "1"], ["a", "y", "1"]]), count_keys([["a", "1"], ["b", "1"]])
    (2, 1)
    """
    for count in (1, 2, 3):
        if len({tuple(row[:count]) for row in rows}) == len(rows) and rows and count < len(rows[0]):
            return count
    return 1


def _take_columns(table: Table, columns: Sequence[int]) -> Table:
    names = [table.columns[k] for k in columns]
    marks = table.marks if table.marked in names else ()
    return replace(table, columns=names, rows=[[row[k] for k in columns] for row in table.rows], marks=marks)
