"""List the images of folders, and what is left out."""

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
    """The images of a folder, and counts of everything else in it.

    Attributes:
        paths: paths of the images in natural order (2.png before 10.png).
        others: number of other files by suffix ("" for none).
        hidden: number of hidden files and folders.
        folders: number of folders that were not searched.
        unreadable: one line with the reason for each folder and link that cannot be read.
    """

    paths: tuple[Path, ...]
    others: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0
    folders: int = 0
    unreadable: tuple[str, ...] = ()

    def describe_left_out(self) -> str:
        """Describe what was left out in one line; empty if nothing was.

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

    ``recursive`` also searches subfolders, including linked ones, each once.

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
        raise InputError(f"{escape_path(folder)} is a file; give a folder of images") from None
    except FileNotFoundError:
        raise InputError(f"{escape_path(folder)} is missing; give a folder of images") from None
    except OSError as error:
        raise InputError(f"{escape_path(folder)} cannot be read: {error.strerror}") from error
    found: list[Path] = []
    others: Counter[str] = Counter()
    hidden = inner = 0
    unreadable: list[str] = []
    for path, problem in _walk(folder, recursive):
        if problem:
            unreadable.append(f"{escape_path(path)} {problem}")
        elif path.name.startswith("."):
            hidden += 1
        elif path.is_dir():
            inner += 1
        elif path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            others[escape_path(path.suffix.lower())] += 1
    found.sort(key=lambda path: make_natural_key(path.relative_to(folder).as_posix()))
    return ImageListing(tuple(found), others, hidden, inner, tuple(unreadable))


def gather_images(given: Iterable[Path], recursive: bool = False) -> ImageListing:
    """Gather image files and the images of folders, each once, in the given order.

    Given files may have any suffix.

    Raises:
        InputError: a folder without images, or one that cannot be read.
    """
    listings = []
    for path in given:
        if not path.is_dir():
            listings.append(ImageListing((path,)))
            continue
        listing = find_images(path, recursive)
        if not listing.paths and not recursive and (inside := find_images(path, recursive=True).paths):
            raise InputError(
                f"no images in {escape_path(path)} itself; {len(inside)} in its folders: give --recursive for those"
            )
        if not listing.paths:
            raise InputError(_describe_no_images(path, listing))
        listings.append(listing)
    return ImageListing(
        paths=tuple(dict.fromkeys(path for each in listings for path in each.paths)),
        others=sum((Counter(each.others) for each in listings), Counter()),
        hidden=sum(each.hidden for each in listings),
        folders=sum(each.folders for each in listings),
        unreadable=tuple(reason for each in listings for reason in each.unreadable),
    )


def _describe_no_images(folder: Path | str, listing: ImageListing) -> str:
    left_out = listing.describe_left_out()
    return (
        f"no images in {escape_path(folder)}; looked for files that end in {', '.join(SUFFIXES)}"
        + (f" ({left_out})" if left_out else "")
        + "".join(f"\n  {reason}" for reason in listing.unreadable)
    )


def make_natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Make a sort key that orders digits as numbers.

    >>> sorted(["10.png", "2.png", "a.png"], key=make_natural_key)
    ['2.png', '10.png', 'a.png']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], name


def escape_path(path: str | Path) -> str:
    """Format a path as valid UTF-8 text, with other bytes escaped.

    >>> escape_path(os.fsdecode(b"caf\\xe9.png")), escape_path("caf\\u00e9.png") == "caf\\u00e9.png"
    ('caf\\\\xe9.png', True)
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _walk(folder: Path, recursive: bool) -> Iterator[tuple[Path, str]]:
    """Yield everything in a folder except searched subfolders, each with its problem or an empty string."""
    seen = {_get_identity(folder)}
    waiting = [folder]
    linked: list[Path] = []  # last, so that real folders are listed under their own path
    while waiting or linked:
        current = waiting.pop() if waiting else linked.pop(0)
        if current is not folder:
            try:
                if (identity := _get_identity(current)) in seen:
                    continue
            except OSError as error:
                yield current, f"cannot be read: {error.strerror}"
                continue
            seen.add(identity)
        try:
            entries = sorted(current.iterdir(), key=lambda path: make_natural_key(path.name))
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
                yield path, f"is a link to {escape_path(os.readlink(path))}, which cannot be opened"
            else:
                yield path, ""


def _get_identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
