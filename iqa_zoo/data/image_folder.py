"""Find the image files of a dataset's folders by name, exact names first."""

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
        folders: folders of the images; missing images are expected in the first.
        any_suffix: accept an image with another suffix if the named one does not exist.

    Raises:
        InputError: a folder cannot be read.
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
        """Find an image by exact name, else up to case and Unicode form, else, with ``any_suffix``, up to its suffix.

        Returns the expected path if there is none.

        Raises:
            InputError: several images match equally well.
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
    """List the sorted names in a folder.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read: {error.strerror or error}") from error


def list_subfolders(folder: Path) -> list[Path]:
    """List the subfolders of a folder, without hidden ones.

    Raises:
        InputError: the folder cannot be read.
    """
    return [folder / name for name in list_folder(folder) if not is_hidden(name) and os.path.isdir(folder / name)]
