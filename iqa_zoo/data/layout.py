"""Where the files of a release are: under the folder that the user gave, or one folder deeper."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_zoo.data.image_folder import list_folder, list_subfolders
from iqa_zoo.data.names import match_names
from iqa_zoo.errors import InputError

if TYPE_CHECKING:
    from iqa_zoo.data.release import Release


def find(root: str | Path, release: Release, *candidates: str, what: str, beside: Path | None = None) -> Path:
    """Return the first candidate that exists: beside a file found before, else in ``root``, else in a folder of
    ``root``, as an archive leaves it that was unpacked into a folder of its own.

    Args:
        root: the folder that the user gave.
        release: what is searched for.
        candidates: relative paths, the preferred one first; the exact name counts first, then one in other letters.
        what: "the label file", for messages.
        beside: a file of the release; the folders between it and ``root`` are searched first.

    Raises:
        InputError: there is none (says where to get the release), two places have one (names both), or a folder on the
            way cannot be read.
    """
    found = find_any(root, *candidates, beside=beside)
    if found is not None:
        return found
    root = Path(root)
    if not os.path.isdir(root):
        where = f"{root} {'is a file' if os.path.isfile(root) else 'does not exist'}"
    else:
        where = f"{root} holds no {' or '.join(candidates)}"
    raise InputError(
        f"{release.name}: {what} not found: {where}; get the release from {release.source}"
        " and give the folder it was unpacked into"
    )


def find_any(root: str | Path, *candidates: str, beside: Path | None = None) -> Path | None:
    """Like :func:`find`, but None where there is nothing."""
    root = Path(root)
    if not os.path.isdir(root):
        return None
    nearer = [folder for folder in (beside.parents if beside else ()) if root in folder.parents]
    deeper = [folder for folder in list_subfolders(root) if os.access(folder, os.R_OK | os.X_OK)]
    for folders in (*([folder] for folder in nearer), [root], deeper):
        for candidate in candidates:
            found = [path for folder in folders for path in _matches(folder, Path(candidate).parts)]
            if len(found) > 1:
                raise InputError(
                    f"{candidate} may be {' or '.join(map(str, found))}; give the folder of one, or remove the other"
                )
            if found:
                return found[0]
    return None


def _matches(folder: Path, parts: Sequence[str]) -> list[Path]:
    """Every path under a folder with these names; only the exact one if it exists."""
    if not parts:
        return [folder]
    if not os.path.isdir(folder):
        return []
    names = list_folder(folder)
    if parts[0] in names and (exact := _matches(folder / parts[0], parts[1:])):
        return exact
    loose = match_names(parts[0], [name for name in names if name != parts[0]])
    return [path for name in loose for path in _matches(folder / name, parts[1:])]
