"""Files and folders that the user names: tried before the work begins, written beside and renamed, so that none is half written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import to_json

PROBE = b"\0" * 4096  # one block: a full disk refuses it, where an empty file still fits


class TextOutput(Protocol):
    """What :func:`open_output` yields: enough for ``csv.writer`` and ``print``."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...


def check_writable(path: str | Path, *, new: bool = False) -> None:
    """Check that a file can be written, by writing one block beside it. Nothing stays behind.

    Args:
        path: the file; what it holds stays as it is.
        new: whether an existing file is an error.

    Raises:
        InputError: the file cannot be written, or exists and must not; names the file and the cause.

    >>> check_writable("/no/such/folder/a.csv")
    Traceback (most recent call last):
    iqa_zoo.errors.InputError: /no/such/folder/a.csv: there is no folder /no/such/folder
    """
    path = Path(path)
    with _naming(path):
        if new and (path.exists() or path.is_symlink()):
            raise InputError(f"{path}: exists already; choose another name or remove it")
        target = _check_target(path)
        if target.exists() and not target.is_file():
            return  # a device or a pipe: what is written to it cannot be taken back
        _write_beside(target, PROBE).unlink()


def check_folder_writable(folder: str | Path) -> None:
    """Check that files can be written into a folder, which need not exist yet. Nothing stays behind.

    Raises:
        InputError: a file stands in its place, or nothing can be written there; names the folder and the cause.
    """
    folder = Path(folder)
    with _naming(folder):
        existing = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(each))
        if not existing.is_dir():
            raise InputError(f"{folder}: cannot be written ({existing} is not a folder)")
        _write_beside(existing / "probe", PROBE).unlink()


def make_folder(folder: str | Path) -> bool:
    """Make a folder and those that it is in; return whether it was not there.

    Raises:
        InputError: it cannot be made.
    """
    folder = Path(folder)
    with _naming(folder):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    return made


def write_json(path: str | Path, value: Any) -> None:
    """Write strict JSON: a number that is not finite is null.

    Raises:
        InputError: the file cannot be written; what was there before stays.
    """
    write_text(path, to_json(value, indent=1) + "\n")


def write_text(path: str | Path, text: str) -> None:
    r"""Write a whole file as UTF-8 without translating line ends.

    File names that are not UTF-8 appear as JSON writes them (``\udce9``).

    Raises:
        InputError: the file cannot be written; what was there before stays.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a whole file: beside it first, then renamed. A link stays a link, a device is written directly.

    Raises:
        InputError: the file cannot be written; what was there before stays.
    """
    path = Path(path)
    with _naming(path):
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
def open_output(path: str | Path) -> Iterator[TextOutput]:
    """Open a file for lines that must be kept as they come, whatever ends the program.

    Raises:
        InputError: on opening or any write, that the file cannot be written. Other errors pass.
    """
    path = Path(path)
    with _naming(path):
        _check_target(path)
        file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    output = _Output(path, file)
    try:
        yield output
    except BaseException:
        with suppress(OSError):  # the error that is on its way says more
            file.close()
        raise
    with _naming(path):
        file.close()


class _Output:
    def __init__(self, path: Path, file: TextOutput):
        self._path, self._file = path, file

    def write(self, text: str, /) -> int:
        with _naming(self._path):
            return self._file.write(text)

    def flush(self) -> None:
        with _naming(self._path):
            self._file.flush()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an operating system's error within into one line that names the output."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _check_target(path: Path) -> Path:
    """Return the file behind links, once it is clear that it is no folder and has one."""
    target = path.resolve()
    if target.is_dir():
        raise InputError(f"{path}: cannot be written (Is a directory)")
    for parent in (path.parent, target.parent):  # as it was given first, then where a link leads
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
