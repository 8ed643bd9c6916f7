"""Parquet files with images: which column they are in, and how they are read in little memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.data.listing import escape_path
from iqa_zoo.errors import InputError, closest

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

PATH_COLUMNS = ("image", "path", "image_path", "file", "file_name", "filename", "file_path", "filepath")
KEY_COLUMN = "__key__"  # of samples that were converted from WebDataset
BUFFER = 1 << 20  # bytes of a column that are read at a time, in place of the whole row group


def import_pyarrow() -> Any:
    """Return the module ``pyarrow``, with ``pyarrow.parquet``.

    Raises:
        InputError: it is not installed; says how to install it.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError('Parquet needs pyarrow, which is not installed: pip install "iqa-zoo[corpus]"') from error
    return pyarrow


def open_parquet(path: Path) -> ParquetFile:
    """Open a Parquet file to be read batch by batch.

    Raises:
        InputError: it cannot be read, or is no Parquet file.
    """
    arrow = import_pyarrow()
    try:
        return arrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    except (OSError, arrow.ArrowException) as error:
        raise InputError(f"{escape_path(path)} cannot be read as Parquet: {error}") from error


def choose_column(schema: pyarrow.Schema, given: str | None, path: Path) -> str:
    """Return the name of the column with the images: bytes, a struct of ``bytes`` and ``path``, or paths.

    Where none is given: the only column of bytes or of such structs, otherwise one of the usual names of a column of paths.

    Raises:
        InputError: no such column, or several; lists all.
    """
    where, names = escape_path(path), schema.names
    kinds = {field.name: find_kind(field.type) for field in schema}
    if given is not None:
        if given not in names:
            raise InputError(f"{where} has no column {given!r}{closest(given, names) or '.'} Known: {', '.join(names)}")
        if not kinds[given]:
            raise InputError(f"{where}: column {given!r} is {schema.field(given).type}; give one of bytes or of paths")
        return given
    held = [name for name, kind in kinds.items() if kind in ("bytes", "struct")]
    if not held:
        held = [name for name in PATH_COLUMNS if kinds.get(name) == "path"][:1]
    if len(held) != 1:
        found = f"several columns of bytes ({', '.join(held)})" if held else "no column of images that is known by name"
        raise InputError(f"{where} has {found}; give --column NAME, one of {', '.join(names)}")
    return held[0]


def find_kind(kind: pyarrow.DataType) -> str:
    """Return how a column of this type holds images: ``bytes``, ``struct``, ``path``, or an empty string for not at all."""
    types = import_pyarrow().types
    if types.is_binary(kind) or types.is_large_binary(kind):
        return "bytes"
    if types.is_struct(kind) and "bytes" in [field.name for field in kind]:
        return "struct"
    return "path" if types.is_string(kind) or types.is_large_string(kind) else ""
