"""Handle PNG files that Pillow refuses (long text chunks) or reads in part (missing rows).

Pillow reports a compressed stream that is cut off, but not one that ends properly with too few rows: it leaves the missing rows black.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # the chunks whose length Pillow limits
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # Adam7: x, y, steps
_PIECE = 1 << 20  # bytes in memory at a time


def strip_metadata(file: BinaryIO) -> BinaryIO:
    """Copy a PNG file without its text chunks and colour profile."""
    file.seek(0)
    kept = io.BytesIO()
    kept.write(file.read(8))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        rest = file.read(length + 4)
        if kind not in _TEXT:
            kept.write(head + rest)
    return kept


def has_all_rows(file: BinaryIO) -> bool:
    """Return whether the image data of a PNG file, decompressed, have the size that its header declares.

    Args:
        file: a PNG file that a decoder has accepted; it is read from its beginning.
    """
    expected, counted = 0, 0
    stream = zlib.decompressobj()
    for kind, content in _iterate_chunks(file):
        if kind == b"IHDR":
            expected = _compute_size(content)
        elif kind == b"IDAT":
            while content and not stream.eof:
                counted += len(stream.decompress(content, _PIECE))
                content = stream.unconsumed_tail
    return counted + len(stream.flush()) >= expected


def _iterate_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"IHDR", b"IDAT"):
            yield kind, file.read(length)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _compute_size(header: bytes) -> int:
    """Compute the bytes of the decompressed rows, each with its filter byte, from the content of the chunk IHDR."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS[colour]
    size = 0
    for x, y, step_x, step_y in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0 and rows > 0:
            size += rows * (1 + -(-columns * bits // 8))
    return size
