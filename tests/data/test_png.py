"""A PNG file whose compressed data end properly, but with fewer rows than its header declares, is an error."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.images import decode_image
from iqa_zoo.data.png import has_all_rows
from iqa_zoo.errors import InputError

HEIGHT, WIDTH = 13, 21


def make_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def make_png(rows, height=HEIGHT, width=WIDTH, depth=8, colour=2, interlaced=0):
    """The file of raw rows, each with its filter byte; the header declares ``height`` rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    packed = zlib.compress(rows)
    half = len(packed) // 2
    chunks = [(b"IHDR", header), (b"tEXt", b"a\0b"), (b"IDAT", packed[:half]), (b"IDAT", packed[half:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(make_chunk(*each) for each in chunks)


@pytest.mark.parametrize("missing", [1, 2, HEIGHT])
@pytest.mark.parametrize(
    ("depth", "colour", "size"), [(8, 2, 63), (8, 0, 21), (1, 0, 3), (16, 0, 42), (8, 6, 84), (8, 4, 42)]
)
def test_missing_rows_are_an_error(missing, depth, colour, size):
    row = b"\0" + b"\xff" * size
    assert decode_image(make_png(row * HEIGHT, depth=depth, colour=colour)).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(InputError, match="photo.png is truncated or damaged"):
        decode_image(make_png(row * (HEIGHT - missing), depth=depth, colour=colour), "photo.png")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_black_image_is_read(mode):
    content = io.BytesIO()
    Image.new(mode, (WIDTH, HEIGHT)).save(content, "png")
    assert decode_image(content.getvalue()).shape == (HEIGHT, WIDTH, 3)
    assert has_all_rows(content)


def test_a_missing_pass_is_an_error():
    sizes = [
        (3, 2),
        (3, 2),
        (6, 2),
        (5, 4),
        (11, 3),
        (10, 7),
        (21, 6),
    ]  # columns and rows of the seven passes of 21 x 13
    passes = [(b"\0" + b"\xff" * columns) * rows for columns, rows in sizes]
    whole = decode_image(make_png(b"".join(passes), colour=0, interlaced=1))
    np.testing.assert_array_equal(whole, 255)
    with pytest.raises(InputError, match="truncated or damaged"):
        decode_image(make_png(b"".join(passes[:-1]), colour=0, interlaced=1))
