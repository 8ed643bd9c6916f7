"""Spreadsheets (.xlsx), read by openpyxl where it is installed."""

from __future__ import annotations

import io
import itertools
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iqa_zoo.data.labels.rows import LabelRow, MissingColumn, find_columns
from iqa_zoo.data.labels.text import read_bytes
from iqa_zoo.data.names import match_names
from iqa_zoo.errors import InputError, closest

HEADER_WITHIN = 20  # rows
MOST_ROWS = 2**20  # limit of the format; damaged files claim more
MOST_BYTES = 2**30  # of an unpacked file; far above any label file


def read_xlsx(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), sheet: str | None = None
) -> list[LabelRow]:
    """Read a sheet by column names; the header is the first row that has all ``columns``, at most the 20th.

    Arguments are those of :func:`iqa_zoo.data.labels.table.read_table`.

    Raises:
        InputError: openpyxl is not installed; the file is damaged, has a password, or lacks the sheet, the header or the saved
            value of a formula.
    """
    cells = _read_cells(path, sheet)
    places, start = _find_header(path, cells, columns, optional)
    rows, empty = [], []
    for number, row in enumerate(cells[start:], start=start + 1):
        values = {column: row[at] if at < len(row) else None for column, at in places.items()}
        if any(value is None for value in values.values()):
            empty.append(number)
        if any(value is not None and str(value).strip() for value in row):
            rows.append(LabelRow(path, f"row {number}", values))
    if empty:
        _refuse_formulas(path, sheet, empty, places)
    return rows


def _find_header(
    path: Path, cells: Sequence[tuple[Any, ...]], columns: Sequence[str], optional: Sequence[str]
) -> tuple[dict[str, int], int]:
    """Find the header, the row with the most required columns; return the column positions and the next row."""
    headers = [["" if cell is None else str(cell).strip() for cell in row] for row in cells[:HEADER_WITHIN]]
    counts = [sum(bool(match_names(column, header)) for column in columns) for header in headers]
    if not any(counts):
        there = ", ".join(name for header in headers[:1] for name in header if name) or "nothing"
        raise MissingColumn(f"{path} has no row with the column names {', '.join(columns)}; its first row has {there}")
    at = counts.index(max(counts))
    return find_columns(path, headers[at], columns, optional), at + 1


def _refuse_formulas(path: Path, sheet: str | None, rows: Sequence[int], places: dict[str, int]) -> None:
    cells = _read_cells(path, sheet, formulas=True)
    for number in rows:
        for column, at in places.items():
            cell = cells[number - 1][at] if at < len(cells[number - 1]) else None
            if isinstance(cell, str) and cell.startswith("="):
                raise InputError(
                    f"{path}, row {number}: the column {column!r} holds a formula whose value is not in the file; open"
                    " and save it in a spreadsheet program"
                )


def _read_cells(path: Path, sheet: str | None, formulas: bool = False) -> list[tuple[Any, ...]]:
    """Read the cells of a sheet by row: the values of formulas, or the formulas themselves."""
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is a spreadsheet; pip install 'iqa-zoo[xlsx]' to read it, or save it as {path.stem}.csv beside it"
        ) from None
    file = io.BytesIO(read_bytes(path))  # openpyxl checks the suffix of a path
    try:
        _refuse_bomb(path, file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions
            book = openpyxl.load_workbook(file, read_only=True, data_only=not formulas)
            page = _find_sheet(path, {page.title: page for page in book.worksheets}, sheet)
            page.reset_dimensions()  # some programs write wrong dimensions
            return [tuple(row) for row in itertools.islice(page.iter_rows(values_only=True), MOST_ROWS)]
    except InputError:
        raise
    except Exception as error:  # openpyxl raises anything on damaged files
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a spreadsheet that can be read: {reason}; save it anew") from error


def _find_sheet(path: Path, sheets: dict[str, Any], name: str | None) -> Any:
    if not sheets:
        raise InputError(f"{path} has no sheet with cells")
    if name is not None and name not in sheets:
        raise InputError(f"{path} has no sheet {name!r}{closest(name, sheets)}")
    return sheets[name] if name is not None else next(iter(sheets.values()))


def _refuse_bomb(path: Path, file: io.BytesIO) -> None:
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise InputError(f"{path} unpacks to {size} bytes, too many for a label file; save its table as CSV")
