"""What the dataset files share: label files, folders as users have them, and the check against the release."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError, closest


@dataclass(frozen=True)
class Release:
    """A dataset as its authors published it.

    Args:
        name: as registered.
        images: how many rated images it has.
        score_range: lowest and highest score of its scale.
        licence: its terms.
        source: where to get it.
        contents: how many source contents it has; None where every image is its own.
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
        [row.mos for row in rows],  # type: ignore[arg-type]  # made an array there
        score_range=release.score_range,
        licence=release.licence,
        source=release.source,
        references=tuple(row.reference for row in rows) if release.contents is not None else None,
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


def file_index(*folders: Path) -> dict[str, Path]:
    """The files directly in some folders by lower-case name; of two folders the first counts."""
    index: dict[str, Path] = {}
    for folder in reversed(folders):
        index |= _entries(folder)
    return index


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
    """Read a spreadsheet by lower-case column names; the header is the first row that has all the columns.

    Raises:
        InputError: openpyxl is not installed, no such sheet or header.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is a spreadsheet; pip install 'iqa-zoo[xlsx]' to read it, or save it as {path.stem}.csv beside it"
        ) from None
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise InputError(f"{path} has no sheet {sheet!r}{closest(sheet, book.sheetnames)}")
        page = book[sheet] if sheet is not None else book.worksheets[0]
        rows = page.iter_rows(values_only=True)
        seen: list[str] = []
        for row in rows:
            header = [str(cell).strip().casefold() if cell is not None else "" for cell in row]
            seen += [name for name in header if name]
            if set(columns) <= set(header):
                break
            if len(seen) > 200:
                rows = iter(())
        else:
            _check_columns(path, seen[:20], columns)
            raise InputError(f"{path} has no row with the column names {', '.join(columns)}")
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
    """A score as a number.

    Raises:
        InputError: it is none; names the label file and the image.
    """
    try:
        return float(value)  # type: ignore[arg-type]  # whatever a cell holds
    except (TypeError, ValueError):
        raise InputError(f"{path}: the score of {image} is {value!r}, not a number") from None


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
