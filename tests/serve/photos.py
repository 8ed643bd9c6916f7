"""Photographs as bytes, to send."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image


def draw_photo(seed, shape=(40, 46, 3), form="PNG"):
    """An image of noise."""
    file = BytesIO()
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.normal(128, 5 + seed % 40, shape).clip(0, 255).astype(np.uint8)).save(file, form)
    return file.getvalue()


def make_png_header(width, height):
    """A small PNG file that announces many pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def make_jpeg_header(width, height):
    """A JPEG file whose frame announces other sides than it has."""
    content = bytearray(draw_photo(1, form="JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)
