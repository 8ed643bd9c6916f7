"""Which files of a folder are images, and what was left out."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iqa_zoo.data.formats import SUFFIXES
from iqa_zoo.errors import InputError


@dataclass(frozen=True)
class ImageListing:
    """The images of a folder, and everything in it that is none.

    Attributes:
        paths: of the images, in natural order (2.png before 10.png).
        others: how many files have which other suffix ("" for none).
        hidden: how many files and folders have a name that begins with a dot.
        folders: how many folders were not searched.
        unreadable: one line for each folder and link that should have been read and could not, with the reason.
    """

    paths: tuple[Path, ...]
    others: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0
    folders: int = 0
    unreadable: tuple[str, ...] = ()

    def describe_left_out(self) -> str:
        """What was left out and why, in one line; empty where nothing was.

        >>> ImageListing((), {".txt": 2, "": 1}, hidden=1).describe_left_out()
        'left out 4: 1 without a suffix, 2 .txt, 1 hidden'
        """
        counts = [f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(self.others.items())]
        counts += [f"{self.hidden} hidden"] if self.hidden else []
        folders = "folder" if self.folders == 1 else "folders"
        counts += [f"{self.folders} {folders} (--recursive reads them)"] if self.folders else []
        counts += [f"{len(self.unreadable)} unreadable"] if self.unreadable else []
        total = sum(self.others.values()) + self.hidden + self.folders + len(self.unreadable)
        return f"left out {total}: {', '.join(counts)}" if counts else ""


def find_images(folder: str | Path, recursive: bool = False) -> ImageListing:
    """Find the images of a folder, linked files included, by suffix.

    Args:
        folder: to search.
        recursive: search the folders inside as well, linked ones included, each once; the order is that of the paths.

    Raises:
        InputError: no such folder, or it cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("10.png", "2.avif", "notes.txt"):
    ...         (Path(folder) / name).touch()
    ...     listing = find_images(folder)
    >>> [path.name for path in listing.paths], listing.others
    (['2.avif', '10.png'], Counter({'.txt': 1}))
    """
    folder = Path(folder)
    try:
        os.scandir(folder).close()
    except NotADirectoryError:
        raise InputError(f"{printable(folder)} is a file; give a folder of images") from None
    except FileNotFoundError:
        raise InputError(f"{printable(folder)} is missing; give a folder of images") from None
    except OSError as error:
        raise InputError(f"{printable(folder)} cannot be read: {error.strerror}") from error
    found: list[Path] = []
    others: Counter[str] = Counter()
    hidden = inner = 0
    unreadable: list[str] = []
    for path, problem in _walk(folder, recursive):
        if problem:
            unreadable.append(f"{printable(path)} {problem}")
        elif path.name.startswith("."):
            hidden += 1
        elif path.is_dir():
            inner += 1
        elif path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            others[printable(path.suffix.lower())] += 1
    found.sort(key=lambda path: natural_key(path.relative_to(folder).as_posix()))
    return ImageListing(tuple(found), others, hidden, inner, tuple(unreadable))


def list_images(folder: str | Path) -> list[Path]:
    """List the images directly in a folder in natural order, hidden files left out.

    Raises:
        InputError: no such folder, or no file in it with one of ``SUFFIXES``.
    """
    listing = find_images(folder)
    if not listing.paths:
        raise InputError(_no_images(folder, listing))
    return list(listing.paths)


def gather_images(given: Iterable[Path], recursive: bool = False) -> ImageListing:
    """Gather image files and the images of folders, each once, in the order given.

    A file that is given is taken as it is, whatever its suffix.

    Raises:
        InputError: a folder without images, or one that cannot be read; says where images are.
    """
    listings = []
    for path in given:
        if not path.is_dir():
            listings.append(ImageListing((path,)))
            continue
        listing = find_images(path, recursive)
        if not listing.paths and not recursive and (inside := find_images(path, recursive=True).paths):
            raise InputError(
                f"no images in {printable(path)} itself; {len(inside)} in its folders: give --recursive for those"
            )
        if not listing.paths:
            raise InputError(_no_images(path, listing))
        listings.append(listing)
    return ImageListing(
        paths=tuple(dict.fromkeys(path for each in listings for path in each.paths)),
        others=sum((Counter(each.others) for each in listings), Counter()),
        hidden=sum(each.hidden for each in listings),
        folders=sum(each.folders for each in listings),
        unreadable=tuple(reason for each in listings for reason in each.unreadable),
    )


def _no_images(folder: Path | str, listing: ImageListing) -> str:
    left_out = listing.describe_left_out()
    return (
        f"no images in {printable(folder)}; looked for files that end in {', '.join(SUFFIXES)}"
        + (f" ({left_out})" if left_out else "")
        + "".join(f"\n  {reason}" for reason in listing.unreadable)
    )


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which digits count as numbers.

    >>> sorted(["10.png", "2.png", "a.png"], key=natural_key)
    ['2.png', '10.png', 'a.png']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], name


def printable(path: str | Path) -> str:
    """A path as text that can be printed and written as UTF-8; bytes that are not UTF-8 are escaped.

    >>> printable(os.fsdecode(b"caf\\xe9.png")), printable("caf\\u00e9.png") == "caf\\u00e9.png"
    ('caf\\\\xe9.png', True)
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _walk(folder: Path, recursive: bool) -> Iterator[tuple[Path, str]]:
    """Everything in a folder that is not a folder to search itself, and what is wrong with it."""
    seen = {_identity(folder)}
    waiting = [folder]
    linked: list[Path] = []  # last: what is real is listed under its own path
    while waiting or linked:
        current = waiting.pop() if waiting else linked.pop(0)
        if current is not folder:
            try:
                if (identity := _identity(current)) in seen:
                    continue
            except OSError as error:
                yield current, f"cannot be read: {error.strerror}"
                continue
            seen.add(identity)
        try:
            entries = sorted(current.iterdir(), key=lambda path: natural_key(path.name))
        except OSError as error:
            yield current, f"cannot be read: {error.strerror}"
            continue
        for path in entries:
            if path.name.startswith("."):
                yield path, ""
                continue
            try:
                is_folder, exists = path.is_dir(), path.exists()
            except OSError as error:
                yield path, f"cannot be read: {error.strerror}"
                continue
            if is_folder and recursive:
                (linked if path.is_symlink() else waiting).append(path)
            elif not exists and path.suffix.lower() in (*SUFFIXES, *([""] if recursive else [])):
                yield path, f"is a link to {printable(os.readlink(path))}, which cannot be opened"
            else:
                yield path, ""


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
