"""Output files and folders: checked before the work begins, and written atomically."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import to_json

PROBE = b"\0" * 4096  # one block, which a full disk refuses, unlike an empty file


def check_writable(path: str | Path, *, new: bool = False) -> None:
    """Check that a file can be written, with a temporary file of one block next to it.

    Args:
        path: the file, which does not change.
        new: whether an existing file is an error.

    Raises:
        InputError: the file cannot be written, or exists although ``new``.

    >>> check_writable("/no/such/folder/a.csv")
    Traceback (most recent call last):
    iqa_zoo.errors.InputError: /no/such/folder/a.csv: there is no folder /no/such/folder
    """
    path = Path(path)
    with _report_errors(path):
        if new and (path.exists() or path.is_symlink()):
            raise InputError(f"{path}: exists already; choose another name or remove it")
        target = _check_target(path)
        if target.exists() and not target.is_file():
            return  # a device or a pipe, where writes cannot be undone
        _write_beside(target, PROBE).unlink()


def check_folder_writable(folder: str | Path) -> None:
    """Check that files can be written into a folder, which may not exist yet.

    Raises:
        InputError: the path is a file, or the folder is not writable.
    """
    folder = Path(folder)
    with _report_errors(folder):
        existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(each))
        if not existing.is_dir():
            raise InputError(f"{folder}: cannot be written ({existing} is not a folder)")
        _write_beside(existing / "probe", PROBE).unlink()


def make_folder(folder: str | Path) -> bool:
    """Make a folder with its parents; return whether it is new.

    Raises:
        InputError: the folder cannot be made.
    """
    folder = Path(folder)
    with _report_errors(folder):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    return made


def write_json(path: str | Path, value: Any) -> None:
    """Write strict JSON, with null for numbers that are not finite.

    Raises:
        InputError: the file cannot be written; a previous file stays.
    """
    write_text(path, to_json(value, indent=1) + "\n")


def write_text(path: str | Path, text: str) -> None:
    r"""Write a whole file as UTF-8 without translating line ends.

    File names that are not UTF-8 are escaped as in JSON (``\udce9``).

    Raises:
        InputError: the file cannot be written; a previous file stays.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a whole file atomically. Links stay links; devices are written directly.

    Raises:
        InputError: the file cannot be written; a previous file stays.
    """
    path = Path(path)
    with _report_errors(path):
        target = _check_target(path)
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                file.write(content)
            return
        partial = _write_beside(target, content)
        try:
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def _report_errors(path: Path) -> Iterator[None]:
    """Convert OSError into an InputError that names the output."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _check_target(path: Path) -> Path:
    """Resolve links, and check that the target is not a folder and that its folder exists."""
    target = path.resolve()
    if target.is_dir():
        raise InputError(f"{path}: cannot be written (Is a directory)")
    for parent in (path.parent, target.parent):  # the given path first, then the target of a link
        if not parent.is_dir():
            raise InputError(f"{path}: there is no folder {parent}")
    if target.exists() and not os.access(target, os.W_OK):
        raise InputError(f"{path}: cannot be written (Permission denied)")
    return target


def _write_beside(target: Path, content: bytes) -> Path:
    partial = target.with_name(f".iqa_zoo-{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            file.write(content)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return partial
