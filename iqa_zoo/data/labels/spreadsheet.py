"""Spreadsheets (.xlsx), read by openpyxl where it is installed."""

from __future__ import annotations

import itertools
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iqa_zoo.data.labels.rows import LabelRow, MissingColumn, find_columns
from iqa_zoo.data.names import match_names
from iqa_zoo.errors import InputError, closest

HEADER_WITHIN = 20  # rows
MOST_ROWS = 2**20  # of the format; damaged files claim more
MOST_BYTES = 2**30  # of an unpacked file; label files of all releases are far below


def read_xlsx(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), sheet: str | None = None
) -> list[LabelRow]:
    """Read a sheet by column names; the header is the first row that has all ``columns``, at most the 20th.

    Args:
        path: the file.
        columns: column names that must be there, exact or in other letters.
        optional: column names that may be there.
        sheet: its name; the first sheet where left out.

    Raises:
        InputError: openpyxl is not installed, the file is damaged or has a password, it lacks the sheet or the header,
            or a formula whose value is not saved in the file.
    """
    with _open(path) as book:
        sheets = {page.title: page for page in book.worksheets}
        if not sheets:
            raise InputError(f"{path} has no sheet with cells")
        if sheet is not None and sheet not in sheets:
            raise InputError(f"{path} has no sheet {sheet!r}{closest(sheet, sheets)}")
        title = sheet if sheet is not None else next(iter(sheets))
        cells = _read_cells(sheets[title])
    places, start = _find_header(path, cells, columns, optional)
    rows, empty = [], []
    for number, row in enumerate(cells[start:], start=start + 1):
        values = {column: row[at] if at < len(row) else None for column, at in places.items()}
        if any(value is None for value in values.values()):
            empty.append(number)
        if any(value is not None and str(value).strip() for value in row):
            rows.append(LabelRow(path, f"row {number}", values))
    if empty:
        _refuse_formulas(path, title, empty, places)
    return rows


def _read_cells(page: Any) -> list[tuple[Any, ...]]:
    page.reset_dimensions()  # some programs write a wrong one, and openpyxl would stop there
    return [tuple(row) for row in itertools.islice(page.iter_rows(values_only=True), MOST_ROWS)]


def _find_header(
    path: Path, cells: Sequence[tuple[Any, ...]], columns: Sequence[str], optional: Sequence[str]
) -> tuple[dict[str, int], int]:
    """Where each column stands, and how many rows there are up to the header: the row that has most of them."""
    headers = [["" if cell is None else str(cell).strip() for cell in row] for row in cells[:HEADER_WITHIN]]
    counts = [sum(bool(match_names(column, header)) for column in columns) for header in headers]
    if not any(counts):
        there = ", ".join(name for header in headers[:1] for name in header if name) or "nothing"
        raise MissingColumn(f"{path} has no row with the column names {', '.join(columns)}; its first row has {there}")
    at = counts.index(max(counts))
    return find_columns(path, headers[at], columns, optional), at + 1


def _refuse_formulas(path: Path, sheet: str, rows: Sequence[int], places: dict[str, int]) -> None:
    with _open(path, formulas=True) as book:
        cells = _read_cells(book[sheet])
    for number in rows:
        for column, at in places.items():
            cell = cells[number - 1][at] if at < len(cells[number - 1]) else None
            if isinstance(cell, str) and cell.startswith("="):
                raise InputError(
                    f"{path}, row {number}: the column {column!r} holds a formula whose value is not in the file; open"
                    " and save it in a spreadsheet program"
                )


@contextmanager
def _open(path: Path, formulas: bool = False) -> Iterator[Any]:
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is a spreadsheet; pip install 'iqa-zoo[xlsx]' to read it, or save it as {path.stem}.csv beside it"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions, which hold no cell
            _refuse_bomb(path)
            book = openpyxl.load_workbook(path, read_only=True, data_only=not formulas)
            try:
                yield book
            finally:
                book.close()
    except InputError:
        raise
    except Exception as error:  # openpyxl has no error of its own: damaged files fail wherever they are parsed
        reason = str(error) or type(error).__name__
        raise InputError(f"{path} is not a spreadsheet that can be read: {reason}; save it anew") from error


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise InputError(f"{path} unpacks to {size} bytes, too many for a label file; save its table as CSV")
