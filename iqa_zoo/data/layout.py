"""Find the files of a release, in the given folder or one folder deeper."""

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
    """Find the first existing candidate: next to ``beside``, else in ``root``, else in a subfolder of ``root``.

    Of the candidates (relative paths) the first is preferred, and exact names come before names in other letter case. ``what``
    describes the file in messages, such as "the label file".

    Raises:
        InputError: no candidate exists, two exist, or a folder cannot be read.
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
    """Find like :func:`find`, but return None if no candidate exists."""
    root = Path(root)
    if not os.path.isdir(root):
        return None
    nearer = [folder for folder in (beside.parents if beside else ()) if root in folder.parents]
    deeper = [folder for folder in list_subfolders(root) if os.access(folder, os.R_OK | os.X_OK)]
    for folders in (*([folder] for folder in nearer), [root], deeper):
        for candidate in candidates:
            found = [path for folder in folders for path in _find_matches(folder, Path(candidate).parts)]
            if len(found) > 1:
                raise InputError(
                    f"{candidate} may be {' or '.join(map(str, found))}; give the folder of one, or remove the other"
                )
            if found:
                return found[0]
    return None


def _find_matches(folder: Path, parts: Sequence[str]) -> list[Path]:
    """Find all paths under a folder with these names, or only the exact one if it exists."""
    if not parts:
        return [folder]
    if not os.path.isdir(folder):
        return []
    names = list_folder(folder)
    if parts[0] in names and (exact := _find_matches(folder / parts[0], parts[1:])):
        return exact
    loose = match_names(parts[0], [name for name in names if name != parts[0]])
    return [path for name in loose for path in _find_matches(folder / name, parts[1:])]
