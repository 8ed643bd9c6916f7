"""pyiqa's splits: columns of a ``meta_info`` CSV, or a pickle (or JSON) of positions in one.

The formats are those that the documentation of pyiqa describes.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_zoo.data.foreign_splits.arniqa import name_positions
from iqa_zoo.data.foreign_splits.parts import NameIndex, Parts, select_by_name, select_by_position
from iqa_zoo.data.labels import read_text
from iqa_zoo.data.labels.text import read_bytes
from iqa_zoo.data.part_words import PART_BY_WORD
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

NAME_COLUMNS = ("dist_name", "img_name", "dist_img", "image_name", "dis_img_path", "image", "name", "filename")
MOST_BYTES = 64 * 2**20  # of a pickle; those of pyiqa have less than one megabyte
FORM = '{"1": {"train": [0, 2, ...], "val": [], "test": [1, ...]}, "2": ...}'


def read_meta_info(path: Path, data: RatedImages) -> list[Parts]:
    """Read a CSV with a column of image names and a column for each split, which says train, val or test.

    Raises:
        InputError: there are no such columns, or the images are not in the data.
    """
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    header = list(rows[0]) if rows else []
    name_column = find_name_column(rows)
    columns = [column for column in header if column != name_column and _is_split(row[column] for row in rows)]
    if name_column is None or not columns:
        raise InputError(
            f"{path} is not a table of splits: it needs a column of image names ({', '.join(NAME_COLUMNS)}) and columns that say"
            f" train, val or test; it has {', '.join(map(str, header)) or 'nothing'}"
        )
    index = NameIndex(data)
    splits = []
    for column in columns:
        parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
        for row in rows:
            if word := (row[column] or "").strip().casefold():
                parts[PART_BY_WORD[word]].append(row[name_column])
        splits.append(select_by_name(parts, index, f"{path}: {column}"))
    return splits


def read_mapping(path: Path, data: RatedImages) -> list[Parts]:
    """Read a pickle or a JSON file with the parts of each split: names, or positions in a ``meta_info`` CSV.

    That CSV is searched in the same folder: the one that lists all images of the dataset. Without it, positions are taken as those
    in the label file, if they can be checked.

    Raises:
        InputError: the file is damaged, holds anything but dicts, lists, numbers and text, or does not fit the data.
    """
    content = json.loads(read_text(path)) if path.suffix.lower() == ".json" else load_plain_pickle(path)
    index, names = NameIndex(data), None
    splits = []
    for key, parts in _find_splits(content, path).items():
        where = f"{path}: split {key}"
        if all(isinstance(each, str) for values in parts.values() for each in values):
            splits.append(select_by_name(parts, index, where))
            continue
        if not all(type(each) is int and each >= 0 for values in parts.values() for each in values):
            raise InputError(f"{where} holds more than positions or names")
        names = names or _find_names(path.parent, index, len(data)) or []
        if names:
            splits.append(select_by_name(name_positions(parts, names, where), index, where))
        else:
            splits.append(select_by_position(parts, data, where))
    return splits


def is_mapping(content: Any) -> bool:
    """Whether what a JSON file holds is parts by split, or the parts of one split."""
    return (isinstance(content, dict) and bool(content) and all(map(_is_parts, content.values()))) or _is_parts(content)


class _PlainUnpickler(pickle.Unpickler):
    """Unpickle dicts, lists, numbers and text, which need no class and no function; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it holds {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to other data")


def load_plain_pickle(path: Path) -> Any:
    """Load a pickle of dicts, lists, numbers and text. Pickles of anything else could run any code, and are refused.

    Raises:
        InputError: the file is not such a pickle.
    """
    content = read_bytes(path)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} has {len(content)} bytes, too many for a file of splits")
    try:
        return _PlainUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # pickle raises anything on damaged files
        raise InputError(
            f"{path} is not read: {error or type(error).__name__}; only dicts, lists, numbers and text are, as other pickles can run"
            f" any code. If you trust it, write it as JSON with the program that made it, in the form {FORM}"
        ) from error


def find_name_column(rows: list[dict[str, str]]) -> str | None:
    """Find the column of image names in a table; None if there is none."""
    header = {str(column).strip().casefold(): column for column in (rows[0] if rows else ())}
    return next((header[name] for name in NAME_COLUMNS if name in header), None)


def _is_split(values: Any) -> bool:
    words = {(value or "").strip().casefold() for value in values} - {""}
    return words <= set(PART_BY_WORD) and len({PART_BY_WORD[word] for word in words}) > 1


def _is_parts(value: Any) -> bool:
    if not isinstance(value, Mapping) or "train" not in value or not set(value) <= set(PART_BY_WORD):
        return False
    return all(isinstance(each, list | tuple) for each in value.values())


def _find_splits(content: Any, path: Path) -> dict[Any, dict[str, list[Any]]]:
    found = {1: content} if _is_parts(content) else content
    if not isinstance(found, dict) or not found or not all(map(_is_parts, found.values())):
        raise InputError(f"{path} is not a file of splits: it needs the form {FORM}")
    splits: dict[Any, dict[str, list[Any]]] = {}
    for key, parts in found.items():
        splits[key] = {}
        for word, values in parts.items():
            splits[key].setdefault(PART_BY_WORD[word], []).extend(values)
    return splits


def _find_names(folder: Path, index: NameIndex, count: int) -> list[str] | None:
    """Find the one ``meta_info`` CSV of a folder that lists all images of the dataset; return its names, or None."""
    found = {}
    for path in sorted(folder.glob("meta_info*.csv")):
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
        column = find_name_column(rows)
        names = [row[column] or "" for row in rows] if column is not None else []
        if len({each for name in names if (each := index.find(name)) is not None}) == count:
            found[path] = names
    if len(found) > 1:
        raise InputError(f"the positions may be those in {' or '.join(map(str, found))}; leave one beside the file")
    return next(iter(found.values()), None)
