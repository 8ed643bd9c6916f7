"""Find files similar to the images that a table lists but the disk lacks."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

from iqa_zoo.data.formats import SUFFIXES
from iqa_zoo.data.image_folder import list_folder, list_subfolders
from iqa_zoo.data.names import normalize_name
from iqa_zoo.errors import InputError


class NearMisses:
    """Files that resemble the names in a table; each folder is read once.

    Args:
        folder: folder of the table; its image paths are relative to it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._names: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> list[Path]:
        """Find the files whose paths differ from ``name`` only in separators, letter case or Unicode form."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        found = [self.folder]
        for part in parts:
            if part in ("/", ".."):
                found = [Path("/")] if part == "/" else [folder / part for folder in found]
            else:
                found = [folder / same for folder in found for same in self._find_same(folder, part)]
        return [path for path in found if os.path.isfile(path)]

    def explain(self, name: str) -> str:
        """Explain which similar file exists for a missing image, and what to do; "" if there is none."""
        near = self.find(name)
        if near:
            there = os.fsencode(near[0]).decode(errors="backslashreplace")
            return f"{there} is there, and {_explain_difference(name, near[0])}"
        file = self.folder / name
        if os.path.isdir(file):
            return f"{file} is a folder"
        if os.path.exists(file):
            return f"{file} is not a regular file"
        stem = PurePosixPath(name.replace("\\", "/"))
        above = self.folder.absolute().parent
        for folder in (file.parent, self.folder, *list_subfolders(self.folder), above, *list_subfolders(above)):
            if same := self._find_same(folder, stem.name):
                return f"{folder / same[0]} is there; write paths from the folder of the table, {self.folder}"
        for suffix in SUFFIXES:
            if same := self._find_same(file.parent, stem.stem + suffix):
                return f"{file.parent / same[0]} is there, of another suffix"
        return ""

    def _find_same(self, folder: Path, name: str) -> list[str]:
        if folder not in self._names:
            names = self._names[folder] = defaultdict(list)
            try:
                there = list_folder(folder)
            except InputError:
                there = []
            for each in there:
                names[normalize_name(_decode(each))].append(each)
        return self._names[folder].get(normalize_name(name), [])


def _decode(name: str) -> str:
    """Decode a file name; one that is not UTF-8 is most likely Windows-1252."""
    return name if name.isprintable() else os.fsencode(name).decode("cp1252", errors="replace")


def _explain_difference(name: str, path: Path) -> str:
    posix = path.as_posix()
    if _decode(path.name) != path.name:
        return "its name on disk is not UTF-8; rename it"
    if "\\" in name and posix.endswith(name.replace("\\", "/")):
        return "the table has \\ between folders; write /"
    if unicodedata.normalize("NFC", posix).endswith(unicodedata.normalize("NFC", name)):
        return "the Unicode form of its name differs (NFC, NFD); write it as it is on disk"
    return "the case of its letters differs; write it as it is on disk"
