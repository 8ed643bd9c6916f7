"""A user's own folder of images with a table of scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iqa_zoo.data.image_folder import list_folder, list_subfolders
from iqa_zoo.data.labels import LabelRow, MissingColumn, read_table
from iqa_zoo.data.names import is_hidden
from iqa_zoo.data.part_words import PART_BY_WORD
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import MissingImages, format_some
from iqa_zoo.data.table_images import NearMisses
from iqa_zoo.errors import InputError, closest
from iqa_zoo.registry import register_dataset

# In a folder with several, text tables come first, then spreadsheets, then MATLAB files.
KINDS = {"CSV": (".csv", ".tsv"), "XLSX": (".xlsx",), "MATLAB": (".mat",)}
NEAR_KINDS = (  # similar files that the error message lists
    *(suffix for suffixes in KINDS.values() for suffix in suffixes),
    *(".txt", ".xls", ".ods", ".json", ".parquet", ".zip", ".gz"),
)


@register_dataset("table")
def table(
    root: str | Path,
    *,
    labels: str | None = None,
    image: str = "image",
    mos: str = "mos",
    reference: str | None = None,
    distortion: str | None = None,
    split: str | None = None,
    deviation: str | None = None,
    ratings: str | None = None,
    higher_is_better: bool = True,
    score_range: tuple[float, float] | None = None,
    name: str | None = None,
    subset: bool = False,
) -> RatedImages:
    """Your own images: a folder and a table with the columns image, mos and, if you have them, reference, distortion,
    split, deviation and ratings.

    The table is a CSV or TSV file (UTF-8 or UTF-16; commas, semicolons or tabs separate), a spreadsheet (.xlsx) or a
    MATLAB file (.mat) whose variables are the columns. It needs a header. ``image`` is a path from the folder of
    the table; ``reference`` groups images of one content, which splits then keep together; ``split`` says train,
    validation or test; ``deviation`` and ``ratings`` are the standard deviation (in units of the scores) and the number of
    the ratings of an image. A column is found under its exact name, else under its name in other letters.

    Args:
        root: the folder with one table, directly or one folder deeper, or the table itself. Hidden files and lock files
            do not count.
        labels: the file name of the table, where the folder has several.
        image, mos: the names of these columns in your table.
        reference, distortion, split, deviation: the names of these columns; default: columns of the same name, if they exist.
        ratings: the name of this column, or one number for all images; default: the column of the same name, if it exists.
        higher_is_better: False if small scores are good, as with DMOS.
        score_range: lowest and highest score of your scale; default: those in the table.
        name: the dataset's name in tables; default: the name of the folder.
        subset: leave out images that are not on disk.

    Raises:
        InputError: no such file or column, an image that is missing or listed twice, a score that is not a number, a negative
            deviation, or a number of ratings below 1.
    """
    path = _find_table(Path(root), labels)
    for_all = int(ratings) if ratings is not None and ratings.isdecimal() else None
    chosen = {"reference": reference, "distortion": distortion, "split": split, "deviation": deviation}
    chosen |= {"ratings": ratings} if for_all is None else {}
    required = [image, mos, *(column for column in chosen.values() if column is not None)]
    optional = [column for column, own in chosen.items() if own is None]
    try:
        rows = read_table(path, required, optional)
    except MissingColumn as error:
        raise InputError(f"{error}; other names are given as options: image=COLUMN mos=COLUMN") from None
    if not rows:
        raise InputError(f"{path} lists no images")
    folder = path.parent
    if any(os.path.isabs(row.text(image)) for row in rows):  # names need paths of one kind
        folder = folder.absolute()
    listed = [(row, folder / row.text(image)) for row in rows]
    there = [(row, file) for row, file in listed if os.path.isfile(file)]
    if len(there) < len(listed):
        on_disk = {file for _, file in there}
        missing = [row.text(image) for row, file in listed if file not in on_disk]
        _refuse_missing(path, missing, subset and bool(there))
    rows, files = [row for row, _ in there], [file for _, file in there]
    _refuse_twice(rows, files)
    scores = [row.number(mos, row.text(image)) for row in rows]
    columns = {key: own or key for key, own in chosen.items() if (own or key) in rows[0].values}
    return RatedImages(
        name or path.parent.resolve().name,
        tuple(files),
        np.array(scores),
        score_range=score_range or _find_range(scores, path),
        licence="yours",
        source=str(path),
        references=_list_references(rows, columns["reference"], image) if "reference" in columns else None,
        distortions=_list_texts(rows, columns["distortion"]) if "distortion" in columns else None,
        higher_is_better=higher_is_better,
        label="MOS" if higher_is_better else "DMOS",
        official_split=_list_parts(rows, columns["split"], image) if "split" in columns else None,
        deviations=_list_numbers(rows, columns.get("deviation")),
        ratings=_list_numbers(rows, columns.get("ratings")) if for_all is None else np.array(for_all),
        ratings_note="" if for_all is None else "one number for all images, as given",
    )


def _find_table(root: Path, labels: str | None) -> Path:
    if os.path.isfile(root):
        return root
    if not os.path.isdir(root):
        raise InputError(f"{root} does not exist; give a folder with a CSV file, or the CSV file")
    if labels is not None:
        if not os.path.isfile(root / labels):
            raise InputError(f"{root} has no file {labels}{closest(labels, list_folder(root))}")
        return root / labels
    for folders in ([root], list_subfolders(root)):
        files = [folder / name for folder in folders for name in list_folder(folder) if not is_hidden(name)]
        for kind, suffixes in KINDS.items():
            found = [file for file in files if file.name.lower().endswith(suffixes) and os.path.isfile(file)]
            if len(found) > 1:
                there = ", ".join(file.relative_to(root).as_posix() for file in found)
                raise InputError(
                    f"{root} has {len(found)} {kind} files ({there}); give the one with the scores as the root, or its"
                    " name as labels"
                )
            if found:
                return found[0]
    others = [name for name in list_folder(root) if not is_hidden(name) and name.lower().endswith(NEAR_KINDS)]
    raise InputError(
        f"{root} has no CSV file, XLSX file or MATLAB file"
        + (f" that can be read (it has {', '.join(others[:5])})" if others else "")
        + "; give the table with the scores as the root"
    )


def _refuse_missing(path: Path, missing: Sequence[str], subset: bool) -> None:
    """Raise an error for missing images; with ``subset`` only for those that exist under a similar name."""
    near = NearMisses(path.parent)
    misspelt = [name for name in missing if near.find(name)]
    refused = misspelt if subset else missing
    if refused:
        files = [path.parent / name for name in refused]
        message = f"{path} lists {len(files)} images that are not on disk: {format_some(files)}"
        raise MissingImages(message, files, near.explain((misspelt or missing)[0]))


def _refuse_twice(rows: Sequence[LabelRow], files: Sequence[Path]) -> None:
    first_row: dict[str, LabelRow] = {}
    for row, file in zip(rows, files, strict=True):
        before = first_row.setdefault(os.path.realpath(file), row)
        if before is not row:
            raise InputError(f"{row.where}: {file} is listed twice, before in {before.place}; give it one score")


def _find_range(scores: list[float], path: Path) -> tuple[float, float]:
    if not min(scores) < max(scores):
        raise InputError(f"{path}: all scores are {scores[0]:g}; give the scale as score_range if that is so")
    return min(scores), max(scores)


def _list_texts(rows: Sequence[LabelRow], column: str) -> tuple[str, ...]:
    return tuple(row.optional_text(column) for row in rows)


def _list_numbers(rows: Sequence[LabelRow], column: str | None) -> Any:
    return np.array([row.number(column) for row in rows]) if column is not None else None


def _list_references(rows: Sequence[LabelRow], column: str, image: str) -> tuple[str, ...]:
    for row in rows:
        if not row.optional_text(column):
            raise InputError(
                f"{row.where}: {row.text(image)} has no reference; fill the column for every image, or leave it out"
            )
    return _list_texts(rows, column)


def _list_parts(rows: Sequence[LabelRow], column: str, image: str) -> tuple[str, ...]:
    parts = {**PART_BY_WORD, "": ""}  # an image without a word is in no part
    for row, part in zip(rows, _list_texts(rows, column), strict=True):
        if part.casefold() not in parts:
            raise InputError(f"{row.where}: {row.text(image)} is in split {part!r}; use train, validation or test")
    return tuple(parts[part.casefold()] for part in _list_texts(rows, column))
