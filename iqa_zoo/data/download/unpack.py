"""Unpack ZIP and TAR archives without trusting them: no path outside, no link, no bomb, no file overwritten."""

from __future__ import annotations

import filecmp
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from iqa_zoo.allocation import in_bytes
from iqa_zoo.data.formats import guess_content
from iqa_zoo.data.names import is_hidden
from iqa_zoo.data.release import format_some
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress

CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to: files, bytes, and bytes for each byte of the archive."""

    files: int = 200_000
    bytes: int = 200 * 2**30
    ratio: float = 200.0


LIMITS = Limits()


@dataclass(frozen=True)
class _Member:
    name: str
    bytes: int
    kind: str  # "file", "folder", or what else it is, for messages
    handle: Any


class _Archive:
    """A ZIP or TAR archive as members in order; a TAR archive is read once, from start to end."""

    def __init__(self, handle: zipfile.ZipFile | tarfile.TarFile):
        self.handle = handle

    def __iter__(self) -> Iterator[_Member]:
        if isinstance(self.handle, zipfile.ZipFile):
            for info in self.handle.infolist():
                yield _Member(info.filename, info.file_size, _find_zip_kind(info), info)
        else:
            for member in self.handle:
                kind = "file" if member.isfile() else "folder" if member.isdir() else "a link or a device"
                yield _Member(member.name, member.size, kind, member)

    def open(self, member: _Member) -> IO[bytes]:
        opened = (
            self.handle.open(member.handle)
            if isinstance(self.handle, zipfile.ZipFile)
            else self.handle.extractfile(member.handle)
        )
        assert opened is not None  # of a file
        return opened


def unpack(
    archive: Path, root: Path, folder: str = "", *, limits: Limits | None = None, progress: Progress | None = None
) -> tuple[str, ...]:
    """Unpack an archive into a folder; return the paths of its files from there.

    Files are unpacked beside the folder first and moved when all of them are checked. A file that is there already stays, and must
    be the same. Hidden files, and those that macOS adds, are left out. Links are refused, wherever they point.

    Args:
        archive: .zip or .tar, which may be compressed.
        root: the folder; made if it does not exist.
        folder: an archive whose files are not all under this name is unpacked into a folder of this name.
        limits: default: ``LIMITS``.
        progress: called with (bytes done, bytes in all); 0 in all for TAR archives.

    Raises:
        InputError: the archive is damaged or holds what may not be unpacked, the disk is full, or another file is in the way.
    """
    limits = limits or LIMITS
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as temporary, _open(archive) as opened:
        if isinstance(
            opened.handle, zipfile.ZipFile
        ):  # it has a list of its files: check that before the first is written
            total = sum(member.bytes for member in _check(archive, opened, limits) if member.kind == "file")
            _check_space(archive, root, total)
        else:
            total = 0
        names = _extract(archive, opened, Path(temporary), limits, progress, total)
        base = root / _find_base(names, folder)
        moves = {Path(temporary) / name: base / name for name in names}
        _move(archive, moves)
        return tuple(target.relative_to(root).as_posix() for target in moves.values())


def is_unpacked(archive: Path, root: Path, folder: str = "") -> bool:
    """Whether every file of a ZIP archive is in its place with its length; False for other archives, which have no list.

    Raises:
        InputError: the archive is damaged.
    """
    with _open(archive) as opened:
        if not isinstance(opened.handle, zipfile.ZipFile):
            return False
        sizes = {member.name: member.bytes for member in opened if _is_taken(member)}
        base = root / _find_base(list(sizes), folder)
        return all((base / name).is_file() and (base / name).stat().st_size == size for name, size in sizes.items())


def _is_taken(member: _Member) -> bool:
    return member.kind == "file" and not any(is_hidden(part) for part in PurePosixPath(member.name).parts)


def _find_base(names: list[str], folder: str) -> str:
    """Find the folder that files go into: ``folder``, unless the archive has it."""
    return "" if all(PurePosixPath(name).parts[0] == folder for name in names) else folder


@contextmanager
def _open(archive: Path) -> Iterator[_Archive]:
    """Open an archive; errors in it become InputErrors that name it."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                yield _Archive(file)
        else:
            with tarfile.open(archive) as tar:
                yield _Archive(tar)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        with archive.open("rb") as file_of_bytes:
            content = guess_content(file_of_bytes.read(512))
        what = f"it holds {content}" if content and content != "a ZIP archive" else str(error) or type(error).__name__
        raise InputError(f"{archive} is damaged, or no archive ({what}); remove it and download it again") from error
    except OSError as error:
        raise InputError(f"{archive} cannot be unpacked: {error.strerror or error}") from error


def _find_zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link" if stat.S_ISLNK(mode) else "a device"
    if info.flag_bits & 1:
        return "a file with a password"
    return "folder" if info.is_dir() else "file"


def _check(archive: Path, members: _Archive, limits: Limits) -> Iterator[_Member]:
    """Yield the members one by one, each checked before it is yielded."""
    count, size, packed = 0, 0, max(archive.stat().st_size, 1)
    for member in members:
        refuse = f"{archive} is not unpacked: "
        if member.kind not in ("file", "folder"):
            raise InputError(f"{refuse}{member.name!r} is {member.kind}")
        if not _is_inside(member.name):
            raise InputError(f"{refuse}{member.name!r} leads out of the folder")
        count, size = count + 1, size + member.bytes
        if count > limits.files:
            raise InputError(f"{refuse}it holds more than {limits.files:,} files")
        if size > limits.bytes:
            raise InputError(f"{refuse}it unpacks to more than {in_bytes(limits.bytes)}")
        if size > limits.ratio * packed:
            raise InputError(
                f"{refuse}its {in_bytes(packed)} unpack to more than {in_bytes(limits.ratio * packed)}, {limits.ratio:g} times as much"
            )
        yield member


def _is_inside(name: str) -> bool:
    """Whether a path stays in its folder, on every system.

    >>> [_is_inside(name) for name in ("a/b.png", "../b", "a/../../b", "/b", "C:/b", "..\\\\b", "b\\0")]
    [True, False, False, False, False, False, False]
    """
    parts = re.split(r"[/\\]", name)
    return not (name.startswith(("/", "\\")) or ".." in parts or re.match("[A-Za-z]:", name) or "\0" in name)


def _extract(
    archive: Path, opened: _Archive, folder: Path, limits: Limits, progress: Progress | None, total: int
) -> list[str]:
    names, done = [], 0
    for member in _check(archive, opened, limits):
        path = PurePosixPath(member.name)
        if not _is_taken(member):
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, target.open("wb") as out:
            while piece := source.read(CHUNK):
                out.write(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total)
        names.append(path.as_posix())
    if not names:
        raise InputError(f"{archive} holds no files")
    return list(dict.fromkeys(names))


def _check_space(archive: Path, root: Path, total: int) -> None:
    free = shutil.disk_usage(root).free
    if total > free:
        raise InputError(f"{archive} unpacks to {in_bytes(total)}, and {in_bytes(free)} are free in {root}")


def _move(archive: Path, moves: dict[Path, Path]) -> None:
    """Move all files, or none where another file is in the way."""
    others = [
        target
        for source, target in moves.items()
        if os.path.lexists(target) and not (target.is_file() and filecmp.cmp(source, target, shallow=False))
    ]
    if others:
        raise InputError(
            f"{archive} is not unpacked: {len(others)} other files with these names are there already: "
            f"{format_some(others)}; move them away"
        )
    for source, target in moves.items():
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
