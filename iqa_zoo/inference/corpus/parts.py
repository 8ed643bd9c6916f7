"""Rows of scores as Parquet: one part a shard, written at once or not at all, and all parts as one file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError
from iqa_zoo.inference.corpus.parquet import import_pyarrow

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

ROWS = 1000  # that are in memory at once
PARTIAL = ".partial"  # suffix of a file that is being written
SCORES, ERRORS = b"iqa_zoo.scores", b"iqa_zoo.errors"  # keys of the metadata of a file


def make_schema() -> pyarrow.Schema:
    """Return the columns of scores: where the image is, and the fields of :class:`iqa_zoo.inference.score.Score`."""
    arrow = import_pyarrow()
    text, real, whole = arrow.string(), arrow.float64(), arrow.int32()
    columns = {
        "source": text, "row": arrow.int64(), "image": text,
        "score": real, "low": real, "high": real, "coverage": real, "percentile": real,
        "word": text, "flags": arrow.list_(text), "height": whole, "width": whole, "note": text, "error": text,
    }  # fmt: skip
    return arrow.schema(list(columns.items()))


def name_part(folder: Path, number: int) -> Path:
    """Return the path of the part of a shard, counted from 0."""
    return folder / f"part-{number:07d}.parquet"


def write_part(path: Path, rows: Iterable[dict[str, Any]], scores: str) -> None:
    """Write the rows of a shard atomically.

    Args:
        path: of the part; a killed process leaves it as it was, and beside it at most a ``.partial`` file.
        rows: by column; those with an ``error`` are counted in the metadata of the file.
        scores: JSON that says what the scores mean, for the metadata.

    Raises:
        InputError: the file cannot be written.
    """
    arrow = import_pyarrow()
    schema, errors, remaining = make_schema(), 0, iter(rows)
    with _writing(path, schema, scores) as writer:
        while chunk := list(islice(remaining, ROWS)):
            errors += sum(bool(row["error"]) for row in chunk)
            with _reporting(path):
                writer.write_table(arrow.Table.from_pylist(chunk, schema))
        writer.add_key_value_metadata({ERRORS: str(errors)})


def count_rows(path: Path) -> tuple[int, int]:
    """Return how many rows a file of scores has, and how many of them carry an error.

    Raises:
        InputError: it cannot be read, or is no file of scores; says what to do.
    """
    arrow = import_pyarrow()
    try:
        metadata = arrow.parquet.read_metadata(path)
        return metadata.num_rows, int(metadata.metadata[ERRORS])
    except (OSError, arrow.ArrowException, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and give the same command again") from error


def merge_parts(parts: Iterable[Path], target: Path, scores: str, errors: int) -> None:
    """Write the rows of all parts, in order, as one file, atomically.

    Raises:
        InputError: the file cannot be written.
    """
    arrow = import_pyarrow()
    schema = make_schema()
    with _writing(target, schema, scores) as writer:
        for part in parts:
            with arrow.parquet.ParquetFile(part) as file:
                for batch in file.iter_batches(100 * ROWS):
                    with _reporting(target):
                        writer.write_table(arrow.Table.from_batches([batch]).cast(schema))
        writer.add_key_value_metadata({ERRORS: str(errors)})


@contextmanager
def _writing(path: Path, schema: pyarrow.Schema, scores: str) -> Iterator[ParquetWriter]:
    partial = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}")
    try:
        with _reporting(path):
            writer = import_pyarrow().parquet.ParquetWriter(partial, schema, compression="zstd")
        try:
            writer.add_key_value_metadata({SCORES: scores})
            yield writer
        finally:
            with _reporting(path):
                writer.close()
        with _reporting(path):
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
