"""Delimited text: CSV and TSV tables with a header, and the label files of releases that have none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from iqa_zoo.data.labels.rows import LabelRow, find_columns
from iqa_zoo.data.labels.text import read_text
from iqa_zoo.data.names import match_names
from iqa_zoo.errors import InputError

_DELIMITERS = (",", ";", "\t")
_NAMES_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # spreadsheet programs write it as the first line


def read_csv(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[LabelRow]:
    """Read a table with a header, separated by commas, semicolons or tabs. Empty rows are left out.

    Arguments are those of :func:`iqa_zoo.data.labels.table.read_table`.

    Raises:
        InputError: not a text file, no header, a missing or repeated column, or a line with the wrong number of values.
    """
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path} is empty; it needs a header with the columns {', '.join(columns)}")
    first, rest = _split_first_line(text)
    named = _NAMES_DELIMITER.fullmatch(first)
    body, line_of_body = (rest, 2) if named else (text, 1)
    delimiter = named.group(1) if named else _find_delimiter(path, body, columns)
    lines = _read_records(path, body, delimiter, line_of_body)
    _, header = next(lines, (0, []))
    while header and not header[-1]:  # a value under a trailing empty name is one value too many
        header.pop()
    for name in header:
        if name and header.count(name) > 1:
            raise InputError(f"{path} has the column {name!r} twice; rename or remove one")
    places = find_columns(path, header, columns, optional)
    rows = []
    for number, values in lines:
        if len(values) < len(header) or any(values[len(header) :]):
            hint = "; quote a value that holds the delimiter, and write decimals with a point"
            raise InputError(
                f"{path}, line {number}: {len(values)} values under {len(header)} columns"
                + (hint if len(values) > len(header) else "")
            )
        rows.append(LabelRow(path, f"line {number}", {column: values[at] for column, at in places.items()}))
    return rows


def read_lines(path: Path, columns: Sequence[str]) -> list[LabelRow]:
    """Read a text file without a header whose lines are split at commas and white space; empty lines are left out.

    ``columns`` names the values of a line, in order.

    Raises:
        InputError: not a text file, or a line with another number of values; names the line.
    """
    rows = []
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        values = line.replace(",", " ").split()
        if values and len(values) != len(columns):
            raise InputError(
                f"{path}, line {number}: {line.strip()!r} has {len(values)} values, not {len(columns)}"
                f" ({', '.join(columns)}); write decimals with a point"
            )
        if values:
            rows.append(LabelRow(path, f"line {number}", dict(zip(columns, values, strict=True))))
    return rows


def _split_first_line(text: str) -> tuple[str, str]:
    stream = io.StringIO(text, newline="")
    return stream.readline().rstrip("\r\n"), stream.read()


def _read_records(path: Path, text: str, delimiter: str, first_line: int) -> Iterator[tuple[int, list[str]]]:
    """Read the records that have a value, each with its first line number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + first_line
        try:
            values = [value.strip() for value in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            hint = "; a quote is opened and not closed" if "end of data" in str(error) else ""
            raise InputError(f"{path}, line {line}: not a line of a table: {error}{hint}") from None
        if any(values):
            yield line, values


def _find_delimiter(path: Path, text: str, columns: Sequence[str]) -> str:
    """Find the delimiter with which the first line has the most required columns, or the most values."""

    def quality(delimiter: str) -> tuple[int, int]:
        try:
            _, header = next(_read_records(path, text, delimiter, 1), (0, []))
        except InputError:
            return 0, 0
        return sum(bool(match_names(column, header)) for column in columns), len(header)

    return max(_DELIMITERS, key=quality)
