"""Checksums of files, compared with what is recorded of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress

CHUNK = 2**20  # bytes


def compute_checksums(path: Path, algorithms: Iterable[str], progress: Progress | None = None) -> dict[str, str]:
    """Compute checksums of a file in one pass, by name of the algorithm.

    Raises:
        InputError: the file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "abc"
    ...     _ = path.write_bytes(b"abc")
    ...     compute_checksums(path, ["md5"])
    {'md5': '900150983cd24fb0d6963f7d28e17f72'}
    """
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    try:
        with path.open("rb") as file:
            done, total = 0, path.stat().st_size
            while piece := file.read(CHUNK):
                for each in sums.values():
                    each.update(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return {name: each.hexdigest() for name, each in sums.items()}


def set_aside(path: Path) -> Path:
    """Rename a file that is not what it should be, so that it is neither used nor lost; return its new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.wrong{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    return path.rename(aside)
