"""What the dataset files share: label files, folders as users have them, and the check against the release."""

from __future__ import annotations

import csv
import itertools
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError, closest

NOT_STATED = "not stated in the release; ask its authors about any use beyond research"


@dataclass(frozen=True)
class Release:
    """A dataset as its authors published it; the module of a dataset calls its own RELEASE.

    Args:
        name: as registered.
        images: how many rated images it has.
        score_range: lowest and highest score of its scale.
        licence: its terms.
        source: where to get it.
        contents: how many source contents it has; None where that is not checked.
        higher_is_better, label: as in :class:`RatedImages`.
    """

    name: str
    images: int
    score_range: tuple[float, float]
    licence: str
    source: str
    contents: int | None = None
    higher_is_better: bool = True
    label: str = "MOS"


@dataclass(frozen=True)
class Row:
    """One line of a label file: where the image should be, and what is known of it."""

    path: Path
    mos: float
    reference: str = ""
    distortion: str = ""
    part: str = ""


class MissingImages(InputError):
    """Images that the labels name and the disk lacks.

    Attributes:
        missing: where they should be.
    """

    def __init__(self, message: str, missing: Sequence[Path]):
        super().__init__(message)
        self.missing = tuple(missing)


def rated_images(release: Release, rows: Iterable[Row], subset: bool = False, label: str | None = None) -> RatedImages:
    """Check label rows against the release and the disk.

    Args:
        release: what is expected.
        rows: all lines of the label file.
        subset: take the images that are on disk, however few the labels and the disk hold.
        label: what the scores are, where a release has several kinds.

    Raises:
        InputError: not as many labels or contents as the release has, or no image at all.
        MissingImages: images that are not on disk.
    """
    rows = list(rows)
    if not subset and len(rows) != release.images:
        raise InputError(
            f"{release.name}: the labels list {len(rows)} images, the release has {release.images};"
            f" restore the label file ({release.source}), or allow a subset (subset=True)"
        )
    missing = [row.path for row in rows if not row.path.is_file()]
    if missing and (not subset or len(missing) == len(rows)):
        raise MissingImages(
            f"{release.name}: {len(missing)} of {len(rows)} images are missing: {some(missing)};"
            f" get them from {release.source}" + ("" if subset else ", or allow a subset (subset=True)"),
            missing,
        )
    gone = set(missing)
    rows = [row for row in rows if row.path not in gone]
    contents = len({row.reference for row in rows})
    if release.contents is not None and not subset and contents != release.contents:
        raise InputError(
            f"{release.name}: the labels name {contents} source contents, the release has {release.contents};"
            f" restore the label file ({release.source})"
        )
    return RatedImages(
        release.name,
        tuple(row.path for row in rows),
        np.array([row.mos for row in rows]),
        score_range=release.score_range,
        licence=release.licence,
        source=release.source,
        references=tuple(row.reference for row in rows) if all(row.reference for row in rows) else None,
        distortions=tuple(row.distortion for row in rows) if any(row.distortion for row in rows) else None,
        higher_is_better=release.higher_is_better,
        label=label or release.label,
        official_split=tuple(row.part for row in rows) if any(row.part for row in rows) else None,
    )


def find(root: str | Path, release: Release, *candidates: str, what: str) -> Path:
    """Return the first of the candidate paths under ``root`` that exists, whatever the case of its letters.

    Raises:
        InputError: none does; says where was looked and where to get the release.
    """
    found = find_any(root, *candidates)
    if found is not None:
        return found
    root = Path(root)
    where = f"{root} does not exist" if not root.exists() else f"{root} holds no {' or '.join(candidates)}"
    raise InputError(
        f"{release.name}: {what} not found: {where}; get the release from {release.source}"
        " and give the folder it was unpacked into"
    )


def find_any(root: str | Path, *candidates: str) -> Path | None:
    """Like :func:`find`, but None where there is nothing."""
    for candidate in candidates:
        path: Path | None = Path(root)
        for part in Path(candidate).parts:
            path = _entries(path).get(part.casefold()) if path is not None and path.is_dir() else None
        if path is not None and path.exists():
            return path
    return None


def file_index(folder: Path, deep: bool = False) -> dict[str, Path]:
    """What is directly in a folder, by lower-case name; with ``deep`` also what its folders hold."""
    index = dict(_entries(folder))
    if deep:
        for inner in [path for path in index.values() if path.is_dir()]:
            index = {**_entries(inner), **index}
    return index


def read_lines(path: Path) -> Iterator[tuple[str, ...]]:
    """The lines of a text file without a header, each split at commas and white space; empty ones left out."""
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if values := tuple(line.replace(",", " ").split()):
            yield values


def read_table(path: Path, columns: Sequence[str], sheet: str | None = None) -> Iterator[dict[str, Any]]:
    """Read a CSV file or a spreadsheet, whichever it is, by lower-case column names."""
    return read_xlsx(path, columns, sheet) if path.suffix.lower() == ".xlsx" else read_csv(path, columns)


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Read a CSV file with a header (comma, semicolon or tab), by lower-case column names.

    Raises:
        InputError: a column is missing (says the closest one there is), or a line has too few values.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        delimiter = max(",;\t", key=first.count)
        file.seek(0)
        lines = csv.reader(file, delimiter=delimiter)
        header = [name.strip().casefold() for name in next(lines, [])]
        _check_columns(path, header, columns)
        for line in lines:
            if not line:
                continue
            if len(line) < len(header):
                raise InputError(f"{path}, line {lines.line_num}: {len(line)} values under {len(header)} columns")
            yield dict(zip(header, (value.strip() for value in line), strict=False))


def read_xlsx(path: Path, columns: Sequence[str], sheet: str | None = None) -> Iterator[dict[str, Any]]:
    """Read a spreadsheet by lower-case column names; the header is the first row with all the columns.

    Raises:
        InputError: openpyxl is not installed, no such sheet or header.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is a spreadsheet; pip install 'iqa-zoo[xlsx]' to read it, or save it as {path.stem}.csv beside it"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise InputError(f"{path} is not a spreadsheet that can be read: {error}") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise InputError(f"{path} has no sheet {sheet!r}{closest(sheet, book.sheetnames)}")
        page = book[sheet] if sheet is not None else book.worksheets[0]
        rows = page.iter_rows(values_only=True)
        seen: list[str] = []
        for row in itertools.islice(rows, 20):
            header = [str(cell).strip().casefold() if cell is not None else "" for cell in row]
            if set(columns) <= set(header):
                break
            seen += header
        else:
            _check_columns(path, seen, columns)
            raise InputError(f"{path} has no row with all the column names {', '.join(columns)}")
        for row in rows:
            if any(cell is not None for cell in row):
                yield dict(zip(header, row, strict=False))
    finally:
        book.close()


def read_mat(path: Path, key: str) -> list[Any]:
    """Read one variable of a MATLAB file as a flat list; cells give what they hold.

    Raises:
        InputError: not a MATLAB file, or no such variable.
    """
    try:
        content = loadmat(path)
    except (ValueError, NotImplementedError, MatReadError, OSError) as error:
        raise InputError(f"{path} is not a MATLAB file that can be read: {error}") from error
    if key not in content:
        there = [name for name in content if not name.startswith("__")]
        raise InputError(f"{path} has no variable {key!r}{closest(key, there) or ';'} it has {', '.join(there)}")
    return [item.item() if isinstance(item, np.ndarray) else item for item in content[key].ravel()]


def number(value: object, path: Path, image: str) -> float:
    """A score as a finite number.

    Raises:
        InputError: it is none; names the label file and the image.
    """
    try:
        score = float(value)  # type: ignore[arg-type]  # whatever a cell holds
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise InputError(f"{path}: the score of {image} is {value!r}, not a number")
    return score


def name_parts(name: str, pattern: str, example: str, labels: Path) -> tuple[str, ...]:
    """What an image name says, by the groups of a regular expression over its lower-case form.

    Raises:
        InputError: the name has another form; names the label file.
    """
    found = re.fullmatch(pattern, name.casefold())
    if found is None:
        raise InputError(f"{labels}: {name!r} is not an image name like {example}")
    return found.groups()


def some(items: Sequence[object], most: int = 5) -> str:
    """The first few of a list, and how many more there are."""
    rest = len(items) - most
    return ", ".join(str(item) for item in items[:most]) + (f" and {rest} more" if rest > 0 else "")


def _entries(folder: Path) -> Mapping[str, Path]:
    return {path.name.casefold(): path for path in sorted(folder.iterdir(), reverse=True)}


def _check_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if column not in header:
            there = ", ".join(name for name in header if name) or "none"
            raise InputError(f"{path} has no column {column!r}{closest(column, header) or ';'} it has {there}")
