"""Images that a table lists and the disk lacks: what is there in their place, and what differs."""

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
        folder: that of the table, from which its image paths start.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._names: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> list[Path]:
        """The files whose paths differ from ``name`` in separators, letter case or Unicode form only."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        found = [self.folder]
        for part in parts:
            if part in ("/", ".."):
                found = [Path("/")] if part == "/" else [folder / part for folder in found]
            else:
                found = [folder / same for folder in found for same in self._same(folder, part)]
        return [path for path in found if os.path.isfile(path)]

    def explain(self, name: str) -> str:
        """What is there in the place of an image that is not on disk, and what to do; "" where nothing is like it."""
        near = self.find(name)
        if near:
            there = os.fsencode(near[0]).decode(errors="backslashreplace")
            return f"{there} is there, and {_difference(name, near[0])}"
        file = self.folder / name
        if os.path.isdir(file):
            return f"{file} is a folder"
        if os.path.exists(file):
            return f"{file} is not a regular file"
        stem = PurePosixPath(name.replace("\\", "/"))
        above = self.folder.absolute().parent
        for folder in (file.parent, self.folder, *list_subfolders(self.folder), above, *list_subfolders(above)):
            if same := self._same(folder, stem.name):
                return f"{folder / same[0]} is there; write paths from the folder of the table, {self.folder}"
        for suffix in SUFFIXES:
            if same := self._same(file.parent, stem.stem + suffix):
                return f"{file.parent / same[0]} is there, of another suffix"
        return ""

    def _same(self, folder: Path, name: str) -> list[str]:
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
    """A file name as its author saw it, where it is not UTF-8 (Windows-1252 is by far the most common)."""
    return name if name.isprintable() else os.fsencode(name).decode("cp1252", errors="replace")


def _difference(name: str, path: Path) -> str:
    posix = path.as_posix()
    if _decode(path.name) != path.name:
        return "its name on disk is not UTF-8; rename it"
    if "\\" in name and posix.endswith(name.replace("\\", "/")):
        return "the table has \\ between folders; write /"
    if unicodedata.normalize("NFC", posix).endswith(unicodedata.normalize("NFC", name)):
        return "the Unicode form of its name differs (NFC, NFD); write it as it is on disk"
    return "the case of its letters differs; write it as it is on disk"
