"""Read label tables by file content: delimited text, spreadsheet or MATLAB file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iqa_zoo.data.labels.delimited import read_csv
from iqa_zoo.data.labels.mat import read_mat_table
from iqa_zoo.data.labels.rows import LabelRow
from iqa_zoo.data.labels.spreadsheet import read_xlsx
from iqa_zoo.data.labels.text import OLE, ZIP, read_bytes
from iqa_zoo.errors import InputError


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), sheet: str | None = None
) -> list[LabelRow]:
    """Read a table with named columns: .csv, .tsv, .xlsx or .mat. Empty rows are left out.

    Names are matched exactly or in other letter case. ``sheet`` is that of a spreadsheet; default: the first.

    Raises:
        InputError: the file cannot be read.
    """
    begin = read_bytes(path)[:4]
    if begin == OLE:
        raise InputError(f"{path} is an .xls file, or has a password; save it as .xlsx without one, or as CSV UTF-8")
    if begin == ZIP:
        return read_xlsx(path, columns, optional, sheet)
    if path.suffix.lower() == ".xlsx":
        raise InputError(f"{path} is not a spreadsheet, whatever its name; name a text file .csv")
    if path.suffix.lower() == ".mat":
        return read_mat_table(path, columns, optional)
    return read_csv(path, columns, optional)
