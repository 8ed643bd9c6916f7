"""Read the images of a shard one after the other. What cannot be read is an item with an error: no row is lost."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from iqa_zoo.data.formats import SUFFIXES
from iqa_zoo.data.listing import escape_path
from iqa_zoo.inference.corpus.parquet import KEY_COLUMN, find_kind, import_pyarrow, open_parquet
from iqa_zoo.inference.corpus.shards import Shard

MOST_BYTES = 1 << 30  # of an image in a tar file: more would not be decoded either
BATCH = 16  # rows of a Parquet file that are in memory at once


@dataclass(frozen=True)
class Item:
    """One image of a shard.

    Attributes:
        row: its position in the source of the shard.
        name: path of the image, or its name inside the source; it may be empty.
        image: its path or bytes; None with an error.
        error: why it cannot be read; empty where it may be.
    """

    row: int
    name: str
    image: Path | bytes | None = None
    error: str = ""


def read_items(shard: Shard) -> Iterator[Item]:
    """Yield the images of a shard in order; bytes are read as they are needed.

    A damaged tar file ends with an item that says so. Of a damaged Parquet file each row that cannot be read is an item.

    Raises:
        OSError: the disk or the network fails, so that another try may succeed.
    """
    if shard.kind == "images":
        for row, path in enumerate(shard.images, start=shard.first):
            yield Item(row, escape_path(path), path)
    elif shard.kind == "tar":
        yield from _read_tar(shard.source)
    else:
        yield from _read_row_group(shard)


class _Header(tarfile.TarInfo):
    """A header that notes on its archive whether the mark of its end was read: tarfile takes a damaged header for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: Any) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in its stubs
            tarfile_.has_end = True
            raise


def _read_tar(path: Path) -> Iterator[Item]:
    row = 0
    try:
        with tarfile.open(path, "r|*", tarinfo=_Header) as archive:
            for member in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # they would grow with the archive
                if not member.isfile() or PurePosixPath(member.name).suffix.lower() not in SUFFIXES:
                    continue
                yield _read_member(archive, member, row)
                row += 1
            if getattr(archive, "has_end", False):
                return
            problem = "it has no mark at its end"
    except (tarfile.TarError, EOFError, ValueError) as error:  # ValueError: numbers in a header
        problem = str(error)
    except OSError as error:
        if error.errno is not None:
            raise
        problem = str(error)  # of a decompressor
    yield Item(row, "", error=f"{escape_path(path)} is damaged or cut after {row} images: {problem}")


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, row: int) -> Item:
    name = escape_path(member.name)
    if member.size > MOST_BYTES:
        return Item(row, name, error=f"{name} has {member.size} bytes; at most {MOST_BYTES} are read")
    file = archive.extractfile(member)
    assert file is not None, "it is a file"
    return Item(row, name, file.read())


def _read_row_group(shard: Shard) -> Iterator[Item]:
    arrow = import_pyarrow()
    row = shard.first
    with open_parquet(shard.source) as file:
        end = row + file.metadata.row_group(shard.row_group).num_rows
        kind = find_kind(file.schema_arrow.field(shard.column).type)
        columns = [shard.column] + ([KEY_COLUMN] if KEY_COLUMN in file.schema_arrow.names else [])
        try:
            for batch in file.iter_batches(BATCH, row_groups=[shard.row_group], columns=columns, use_threads=False):
                keys = batch[KEY_COLUMN].to_pylist() if KEY_COLUMN in columns else [""] * len(batch)
                for value, key in zip(batch[shard.column], keys, strict=True):
                    yield _make_item(row, kind, value.as_py(), str(key or ""), shard.source.parent)
                    row += 1
            return
        except (arrow.ArrowException, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            problem = f"the row cannot be read, {escape_path(shard.source)} is damaged: {error}"
    yield from (Item(each, "", error=problem) for each in range(row, end))


def _make_item(row: int, kind: str, value: Any, key: str, folder: Path) -> Item:
    if kind == "struct" and value is not None:
        key = value.get("path") or key
        if (content := value["bytes"]) is None and value.get("path"):
            kind, value = "path", value["path"]
        else:
            value = content
    if value is None:
        return Item(row, key, error="the row holds no image (null)")
    if kind == "path":
        if not value or "\0" in value:
            return Item(row, key, error=f"{value!r} is not a path")
        return Item(row, escape_path(value), folder / value)
    return Item(row, key, bytes(value))
