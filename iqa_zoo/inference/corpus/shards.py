"""A corpus as shards: some images of a folder, a tar file, or a row group of a Parquet file. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from iqa_zoo.data.listing import ImageListing, escape_path, find_images, make_natural_key
from iqa_zoo.errors import InputError
from iqa_zoo.identity import digest
from iqa_zoo.inference.corpus.parquet import choose_column, open_parquet

SHARD_SIZE = 1000  # images of a folder that are one shard: what is lost at most when a process is killed
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Shard:
    """Images that are scored together.

    Attributes:
        kind: what the source is.
        source: absolute path of the folder, the tar file or the Parquet file; for images that were given one by one, their folder.
        first: row of its first image in the source, counted from 0.
        identity: changes with the content, as far as names, sizes and times of files show it.
        images: absolute paths of the images; empty unless they are files.
        row_group: of a Parquet file.
        column: of a Parquet file, with the images.
    """

    kind: Literal["images", "tar", "parquet"]
    source: Path
    first: int
    identity: str
    images: tuple[Path, ...] = ()
    row_group: int = 0
    column: str = ""

    def describe(self) -> str:
        """Describe the shard in a few words, for a message."""
        where = escape_path(self.source)
        if self.kind == "images":
            return f"images {self.first + 1} to {self.first + len(self.images)} of {where}"
        return where if self.kind == "tar" else f"row group {self.row_group} of {where}"


@dataclass(frozen=True)
class CorpusListing:
    """The shards of a corpus, in order, and what of its folders is left out.

    Attributes:
        shards: of all sources.
        left_out: one line on files that are no images; empty for none.
        unreadable: one line with the reason for each folder and link that cannot be read.
    """

    shards: tuple[Shard, ...]
    left_out: str = ""
    unreadable: tuple[str, ...] = ()


def is_archive(path: Path) -> bool:
    """Return whether a path names a tar or Parquet file, by its suffix.

    >>> [is_archive(Path(name)) for name in ("a.tar", "b.TGZ", "c.parquet", "d.png")]
    [True, True, True, False]
    """
    return path.name.lower().endswith((*TARS, *PARQUET))


def find_shards(
    given: Iterable[Path], *, recursive: bool = False, shard_size: int = SHARD_SIZE, column: str | None = None
) -> CorpusListing:
    """Find the shards of images, folders, tar files and Parquet files, in the given order.

    A folder holds images, tar files (WebDataset) and Parquet files, in this order. Names of images are held in memory, about 300
    bytes each; of tar and Parquet files only the names of the files.

    Args:
        given: files and folders.
        recursive: whether the folders of a folder are searched as well.
        shard_size: images of a folder that are one shard.
        column: of Parquet files, with the bytes or paths of images; found by its type where left out.

    Raises:
        InputError: a path that does not exist, a folder without images, or a Parquet file without a column of images.
    """
    shards: list[Shard] = []
    loose: list[Path] = []
    left_out: list[str] = []
    unreadable: list[str] = []
    for path in dict.fromkeys(each.absolute() for each in given):
        if path.is_dir():
            images, archives, listing = _search_folder(path, recursive)
            shards += _make_image_shards(path, images, shard_size)
            for archive in archives:
                shards += _make_archive_shards(archive, column)
            left_out += [line for line in [listing.describe_left_out()] if line]
            unreadable += listing.unreadable
        elif is_archive(path):
            shards += _make_archive_shards(path, column)
        else:
            loose.append(path)
    if loose:
        shards += _make_image_shards(Path(os.path.commonpath([path.parent for path in loose])), loose, shard_size)
    return CorpusListing(tuple(shards), "; ".join(left_out), tuple(unreadable))


def _search_folder(folder: Path, recursive: bool) -> tuple[list[Path], list[Path], ImageListing]:
    listing = find_images(folder, recursive)
    archives = sorted(_walk_archives(folder, recursive), key=lambda path: make_natural_key(str(path)))
    others = dict(listing.others)
    for archive in archives:
        suffix = escape_path(archive.suffix.lower())
        others[suffix] -= 1
    listing = replace(listing, others={suffix: count for suffix, count in others.items() if count > 0})
    if not listing.paths and not archives:
        more = listing.describe_left_out()
        raise InputError(
            f"no images, tar files or Parquet files in {escape_path(folder)}" + (f" ({more})" if more else "")
        )
    return list(listing.paths), archives, listing


def _walk_archives(folder: Path, recursive: bool) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        yield from (Path(root, name) for name in files if is_archive(Path(name)) and not name.startswith("."))


def _make_image_shards(source: Path, images: Sequence[Path], size: int) -> Iterator[Shard]:
    for first in range(0, len(images), size):
        paths = tuple(images[first : first + size])
        identity = digest([_describe_file(path) for path in paths])
        yield Shard("images", source, first, identity, images=paths)


def _make_archive_shards(path: Path, column: str | None) -> Iterator[Shard]:
    if not path.is_file():
        raise InputError(f"{escape_path(path)} does not exist")
    described = _describe_file(path)
    if not path.name.lower().endswith(PARQUET):
        yield Shard("tar", path, 0, digest(described))
        return
    with open_parquet(path) as file:
        chosen, first = choose_column(file.schema_arrow, column, path), 0
        for group in range(file.metadata.num_row_groups):
            yield Shard("parquet", path, first, digest(described, group, chosen), row_group=group, column=chosen)
            first += file.metadata.row_group(group).num_rows


def _describe_file(path: Path) -> list[str | int]:
    try:
        status = path.stat()
    except OSError as error:  # the row of the image says so as well
        return [str(path), error.errno or 0]
    return [str(path), status.st_size, status.st_mtime_ns]
