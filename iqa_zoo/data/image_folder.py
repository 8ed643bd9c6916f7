"""The image files of a data set's folders, found by name: the exact name first."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from iqa_zoo.data.formats import SUFFIXES
from iqa_zoo.data.names import is_hidden, match_names, normalize_name
from iqa_zoo.errors import InputError


class ImageFolder:
    """An index of the image files directly in some folders, by suffix; hidden files do not count.

    Args:
        folders: where the images are; the first is where an image that is missing should be.
        any_suffix: take an image of another suffix where none has the one of the name.

    Raises:
        InputError: a folder that cannot be read.
    """

    def __init__(self, *folders: Path, any_suffix: bool = False):
        self.folder = folders[0]
        self.any_suffix = any_suffix
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in (folder / name for folder in folders for name in list_folder(folder)):
            if path.suffix.lower() in SUFFIXES and not is_hidden(path.name):
                self._by_name[normalize_name(path.name)].append(path)
                self._by_stem[normalize_name(path.stem)].append(path)

    def find(self, name: str) -> Path:
        """Return the image of a name: the exact one, else the one that differs in case or Unicode form, else, with
        ``any_suffix``, the one that differs in suffix; where there is none, the path where it should be.

        Raises:
            InputError: several images of one kind of likeness; names them.
        """
        same = self._by_name.get(normalize_name(name), [])
        names = match_names(name, [path.name for path in same])
        found = [path for path in same if path.name in names]
        if not found and self.any_suffix:
            found = self._by_stem.get(normalize_name(Path(name).stem), [])
        if len(found) > 1:
            raise InputError(f"{name} may be {' or '.join(map(str, sorted(found)))}; remove or rename all but one")
        return found[0] if found else self.folder / name


def list_folder(folder: Path) -> list[str]:
    """The names of what is in a folder, in order.

    Raises:
        InputError: it cannot be read; says why.
    """
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read: {error.strerror or error}") from error


def list_subfolders(folder: Path) -> list[Path]:
    """The folders directly in a folder, hidden ones left out.

    Raises:
        InputError: it cannot be read; says why.
    """
    return [folder / name for name in list_folder(folder) if not is_hidden(name) and os.path.isdir(folder / name)]
