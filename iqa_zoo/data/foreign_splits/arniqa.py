"""ARNIQA's splits: ``train.npy``, ``val.npy`` and ``test.npy``, a row of positions for each split, filled up with -1."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.foreign_splits.parts import NameIndex, Parts, select_by_name, select_by_position
from iqa_zoo.data.labels import read_text
from iqa_zoo.data.part_words import PART_BY_WORD
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

FILES = ("train.npy", "val.npy", "test.npy")
COLUMN = "dis_img_path"  # of the lists of IQA-Dataset, which ARNIQA numbers for LIVE and CSIQ


def read_arniqa(path: Path, data: RatedImages) -> list[Parts]:
    """Read the splits in a folder, or in that of one of its files.

    Positions are those in the label file of the release; for LIVE and CSIQ in ``LIVE.txt`` and ``CSIQ.txt`` of IQA-Dataset, which are
    read from the same folder or the one above.

    Raises:
        InputError: a file is missing or no array of positions, or the positions do not fit the data.
    """
    folder = path if path.is_dir() else path.parent
    if not path.is_dir() and path.name not in FILES:
        raise InputError(f"{path}: ARNIQA's splits are {', '.join(FILES)} in one folder; give that folder")
    rows = {}
    for name in FILES:
        file = folder / name
        if file.exists():
            rows[PART_BY_WORD[file.stem]] = _read_positions(file)
        elif name != "val.npy":
            raise InputError(f"{folder} has no {name}; ARNIQA's splits are {', '.join(FILES)}")
    counts = {len(each) for each in rows.values()}
    if len(counts) > 1:
        raise InputError(
            f"{folder}: {', '.join(FILES)} have different numbers of splits: {', '.join(map(str, sorted(counts)))}"
        )
    names = _find_list(folder)
    splits = []
    for number in range(counts.pop()):
        where = f"{folder}: split {number + 1}"
        positions = {part: [int(each) for each in row[number] if each != -1] for part, row in rows.items()}
        if names is None:
            splits.append(select_by_position(positions, data, where))
        else:
            splits.append(select_by_name(name_positions(positions, names, where), NameIndex(data), where))
    return splits


def name_positions(positions: dict[str, list[int]], names: list[str], where: str) -> dict[str, list[str]]:
    """Return the names at some positions of a list.

    Raises:
        InputError: the list is shorter.
    """
    if (most := max((each for part in positions.values() for each in part), default=-1)) >= len(names):
        raise InputError(f"{where}: position {most} is beyond the list of {len(names)} images beside it")
    return {part: [names[each] for each in values] for part, values in positions.items()}


def _read_positions(path: Path) -> NDArray[np.integer]:
    try:
        # Mapped, as a header may claim any size; never unpickled.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not an array of positions: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim not in (1, 2):
        raise InputError(f"{path} is not an array of positions: whole numbers, with a row for each split")
    if array.size and int(array.min()) < -1:
        raise InputError(f"{path} is not an array of positions: it holds {int(array.min())}")
    return np.atleast_2d(array)


def _find_list(folder: Path) -> list[str] | None:
    """Find a list of IQA-Dataset in a folder or above it; return its names, or None."""
    for place in (folder, folder.parent):
        for path in sorted(place.glob("*.txt")):
            with path.open("rb") as file:
                if not file.readline(200).startswith(COLUMN.encode()):
                    continue
            return [line[COLUMN] for line in csv.DictReader(read_text(path).splitlines())]
    return None
