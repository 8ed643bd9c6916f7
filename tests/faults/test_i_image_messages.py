"""Fault kind I: messages about images that send people the wrong way."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from iqa_zoo.data.images import LARGEST, read_image, read_size
from iqa_zoo.errors import InputError

PIXELS_HWC = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, colour, data, before=b"", after=b""):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", data) + after + chunk(b"IEND", b"")


def rgb_png(before=b"", after=b""):
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS_HWC)
    return png(7, 6, 2, zlib.compress(rows), before, after)


def refusal(file):
    with pytest.raises(InputError) as caught:
        read_image(file)
    return str(caught.value)


@pytest.mark.slow
def test_more_pixels_than_are_read(tmp_path):
    compressor = zlib.compressobj(1)
    rows = b"".join(compressor.compress(bytes(20001)) for _ in range(20000)) + compressor.flush()
    (tmp_path / "large.png").write_bytes(png(20000, 20000, 0, rows))
    message = refusal(tmp_path / "large.png")
    assert (
        "large.png is 20000x20000 pixels (width x height, 400 megapixels); at most 200 megapixels are read" in message
    )
    assert "damaged" not in message


@pytest.mark.slow
def test_the_limit_is_our_own_and_not_pillows(tmp_path):
    """Pillow warns from 89 megapixels on: a file of 100 is read, without a warning."""
    width, height = 10_000, 10_000
    assert Image.MAX_IMAGE_PIXELS < width * height < LARGEST
    compressor = zlib.compressobj(1)
    row = bytes([0]) + bytes(width // 8)
    rows = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    file = tmp_path / "large.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    assert read_image(file).shape == (height, width, 3)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_long_metadata_does_not_hide_the_image(tmp_path, kind, place):
    long = zlib.compress(b"a" * 3_000_000)
    body = {b"zTXt": b"workflow\0\0", b"iTXt": b"workflow\0\1\0\0\0", b"iCCP": b"profile\0\0"}[kind] + long
    (tmp_path / "a.png").write_bytes(rgb_png(**{place: chunk(kind, body)}))
    assert (read_image(tmp_path / "a.png") == PIXELS_HWC).all()


def test_a_damaged_image_with_long_metadata_is_damaged(tmp_path):
    text = chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"a" * 3_000_000))
    (tmp_path / "a.png").write_bytes(rgb_png(text)[:-30])
    assert "a.png is truncated or damaged" in refusal(tmp_path / "a.png")


def test_no_permission(tmp_path, monkeypatch):
    Image.fromarray(PIXELS_HWC).save(tmp_path / "a.png")

    def refusing(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refusing)
    assert refusal(tmp_path / "a.png") == f"{tmp_path / 'a.png'} cannot be opened: Permission denied"


def test_a_disk_that_fails_is_no_damage_of_the_image(tmp_path, monkeypatch):
    Image.fromarray(PIXELS_HWC).save(tmp_path / "a.png")

    def failing(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ImageFile.ImageFile, "load", failing)
    assert refusal(tmp_path / "a.png") == f"{tmp_path / 'a.png'} cannot be read: Input/output error"


def test_no_memory(tmp_path, monkeypatch):
    Image.fromarray(PIXELS_HWC).save(tmp_path / "a.bmp")

    def failing(*_):
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", failing)
    assert "there is not enough memory to decode it" in refusal(tmp_path / "a.bmp")


def test_links_pipes_and_names(tmp_path):
    (tmp_path / "a.png").symlink_to("gone.png")
    assert refusal(tmp_path / "a.png").endswith("a.png does not exist (it is a link to gone.png)")
    (tmp_path / "b.png").symlink_to("b.png")
    assert "b.png cannot be opened" in refusal(tmp_path / "b.png")
    os.mkfifo(tmp_path / "c.png")
    assert "c.png is not a regular file" in refusal(tmp_path / "c.png")
    assert "is not a path" in refusal(tmp_path / "a\0.png")
    assert "caf\\xe9.png does not exist" in refusal(tmp_path / os.fsdecode(b"caf\xe9.png"))


def test_orientation_survives_metadata_that_cannot_be_written_anew(tmp_path):
    """Pillow reads the orientation and then fails to write the other tags."""
    tags = [(0x0112, 3, 1, 6), (0x9286, 7, 4, 0x41414141), (0x927C, 5, 1, 26)]
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + body
    Image.fromarray(PIXELS_HWC).save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png") == np.rot90(PIXELS_HWC, k=-1)).all()


def test_transparent_16_bit_grey_lies_over_white(tmp_path):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 16, 0, 0, 0, 0)) + chunk(b"tRNS", struct.pack(">H", 512))
    row = b"\0" + np.array([0, 512, 65535], ">u2").tobytes()
    content = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(content)
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 255, 255]


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file whose reading fails")
@pytest.mark.parametrize("read", [read_image, read_size])
def test_a_disk_that_fails(read):
    with pytest.raises(InputError, match="/proc/self/mem cannot be read: Input/output error"):
        read("/proc/self/mem")
