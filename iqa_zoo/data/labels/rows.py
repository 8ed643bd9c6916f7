"""Rows of label files, with errors that name the file and the line."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqa_zoo.data.names import match_names
from iqa_zoo.errors import InputError, closest

# float() also takes "1_7", "infinity" and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


class MissingColumn(InputError):
    """A column or variable that a label file lacks."""


@dataclass(frozen=True)
class LabelRow:
    """One row of a label file.

    Args:
        path: the label file.
        place: place of the row, for example ``"line 3"``.
        values: values by requested column name: text, or values of a spreadsheet or MATLAB file.

    >>> row = LabelRow(Path("scores.csv"), "line 3", {"image": " a.png", "mos": "1,7"})
    >>> row.text("image"), row.optional_text("reference")
    ('a.png', '')
    >>> row.number("mos", "a.png")
    Traceback (most recent call last):
    iqa_zoo.errors.InputError: scores.csv, line 3: the score of a.png is '1,7', not a number; write 1.7
    """

    path: Path
    place: str
    values: Mapping[str, object]

    @property
    def where(self) -> str:
        return f"{self.path}, {self.place}"

    def text(self, column: str) -> str:
        """Return the text in a column, stripped; whole numbers are formatted without a decimal point.

        Raises:
            InputError: the cell is empty, or holds a date or a boolean.
        """
        text = self.optional_text(column)
        if not text:
            raise InputError(f"{self.where}: the column {column!r} is empty; fill it in, or remove the row")
        return text

    def optional_text(self, column: str) -> str:
        """Return text like :meth:`text`, or an empty string if the cell is empty or the column is missing."""
        value = self.values.get(column)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(f"{self.where}: the column {column!r} holds {value!r}; format the cell as text")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value).strip()

    def number(self, column: str, image: str | None = None) -> float:
        """Return the finite number in a column, in full precision.

        The message names the ``image``.

        Raises:
            InputError: the cell is empty or not a number.
        """
        value = self.values.get(column)
        value = value.strip() if isinstance(value, str) else value
        score = math.nan
        if (isinstance(value, str) and _NUMBER.fullmatch(value)) or (
            isinstance(value, int | float) and not isinstance(value, bool)
        ):
            try:
                score = float(value)
            except OverflowError:  # a whole number beyond 1e308
                score = math.inf
        if math.isfinite(score):
            return score
        what = f"the score of {image}" if image is not None else f"the column {column!r}"
        if value is None or value == "":
            hint = (
                "fill it in, or remove the row"
                if self.path.suffix.lower() != ".xlsx"
                else (
                    "fill it in (a formula needs its value saved, a merged cell has one value only), or remove the row"
                )
            )
            raise InputError(f"{self.where}: {what} is empty; {hint}")
        hint = ""
        if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
            hint = f"; write {value.replace(',', '.')}"
            if len(value.partition(",")[2]) == 3:  # 1,500 may have a decimal comma, or a comma after the thousands
                hint += f" or {value.replace(',', '')}"
        raise InputError(f"{self.where}: {what} is {value!r}, not a number{hint}")


def find_columns(
    path: Path, header: Sequence[str], columns: Sequence[str], optional: Sequence[str] = (), what: str = "column"
) -> dict[str, int]:
    """Find the position of each column in a header, by exact name or in other letter case.

    ``what`` is "column" or "variable", for messages.

    Raises:
        MissingColumn: a column is missing; suggests the closest one.
        InputError: a name matches two columns.
    """
    names = [name.strip() for name in header]
    found = {}
    for column in (*columns, *optional):
        same = match_names(column, [name for name in names if name])
        if len(same) > 1:
            twice = f"the {what} {same[0]!r} twice" if same[0] == same[1] else f"the {what}s {' and '.join(same)}"
            raise InputError(f"{path} has {twice}; which is {column!r}? Rename or remove one")
        if same:
            found[column] = names.index(same[0])
        elif column in columns:
            there = ", ".join(name for name in names if name) or "none"
            raise MissingColumn(f"{path} has no {what} {column!r}{closest(column, names) or ';'} it has {there}")
    return found
