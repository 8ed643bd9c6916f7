"""LIQE's splits: a folder for each, with text files of image, score and other labels, separated by tabs."""

from __future__ import annotations

import re
from pathlib import Path

from iqa_zoo.data.foreign_splits.parts import NameIndex, Parts, select_by_name
from iqa_zoo.data.labels import read_text
from iqa_zoo.data.part_words import PART_BY_WORD
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

NAME = re.compile(r"(.+)_(train|val|test)(_clip)?\.txt")


def read_liqe(path: Path, data: RatedImages) -> list[Parts]:
    """Read the splits in ``splits2/`` (folders ``1`` to ``10``), in one of these folders, or in that of one file.

    Only the names count; scores are those of the dataset. Of files with and without ``_clip`` those with it are read.

    Raises:
        InputError: a part is missing, or its images are not in the data.
    """
    folder = path if path.is_dir() else path.parent
    numbered = sorted(
        (each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal()), key=lambda each: int(each.name)
    )
    index = NameIndex(data)
    return [_read_folder(each, index) for each in (numbered if path.is_dir() and numbered else [folder])]


def is_liqe(folder: Path) -> bool:
    """Whether a folder holds splits of LIQE."""
    inside = [folder, *(each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal())]
    return any(NAME.fullmatch(file.name) for each in inside for file in each.iterdir())


def _read_folder(folder: Path, index: NameIndex) -> Parts:
    found = [match for file in folder.iterdir() if (match := NAME.fullmatch(file.name))]
    matches = [match for match in found if match[3]] or found
    if len({match[1] for match in matches}) > 1:
        datasets = ", ".join(sorted({match[1] for match in matches}))
        raise InputError(f"{folder} holds the splits of several datasets ({datasets}); leave those of one")
    files = {PART_BY_WORD[match[2]]: folder / match[0] for match in matches}
    if lacking := {"train", "test"} - set(files):
        raise InputError(f"{folder} has no list of the {' and the '.join(sorted(lacking))} part")
    return select_by_name({part: _read_names(file) for part, file in files.items()}, index, str(folder))


def _read_names(path: Path) -> list[str]:
    names = [line.partition("\t")[0].strip() for line in read_text(path).splitlines()]
    return [name for name in names if name]
