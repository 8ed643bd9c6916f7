"""Fault kind L5: samples whose number of bits is not what Pillow's mode suggests."""

import struct

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError


def write_tiff(path, pixels, bits, *, photometric=1, sample_format=1, order="<", subfile=0):
    """Write one row of grey samples, already packed into bytes, as an uncompressed TIFF file."""
    width = 8 * len(pixels) // bits
    entries = [(254, subfile), (256, width), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 0), (277, 1)]
    entries += [(278, 1), (279, len(pixels)), (339, sample_format)]
    offset = 8 + 2 + 12 * len(entries) + 4
    ifd = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, offset if tag == 273 else n) for tag, n in entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    path.write_bytes(head + ifd + struct.pack(f"{order}I", 0) + pixels)


def grey(path):
    return read_image(path)[0, :, 0].tolist()


@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
@pytest.mark.parametrize("largest", [255, 65535, 2**31 - 1])
def test_32_bit_integers_are_refused_and_never_read_as_black(tmp_path, dtype, largest):
    samples = np.linspace(0, largest, 16).astype(dtype)
    file = tmp_path / "a.tif"
    write_tiff(file, samples.tobytes(), 32, sample_format=2 if dtype == np.int32 else 1)
    with pytest.raises(
        InputError, match=r"a\.tif holds samples outside 16 bits without a sign.*save it with 8 or 16 bits"
    ):
        read_image(file)


def test_int32_as_pillow_writes_it(tmp_path):
    Image.fromarray(np.arange(256, dtype=np.int32).reshape(16, 16)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="outside 16 bits"):
        read_image(tmp_path / "a.tif")


def test_signed_16_bits_are_refused(tmp_path):
    write_tiff(tmp_path / "a.tif", np.array([0, 200, 255], "<i2").tobytes(), 16, sample_format=2)
    with pytest.raises(InputError, match="without a sign"):
        read_image(tmp_path / "a.tif")


def test_12_bits_keep_their_upper_8(tmp_path):
    samples = [0, 2048, 4095, 1024]
    bits = "".join(f"{sample:012b}" for sample in samples)
    packed = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    write_tiff(tmp_path / "a.tif", packed, 12)
    assert grey(tmp_path / "a.tif") == [sample >> 4 for sample in samples]


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bits_of_either_byte_order(tmp_path, order):
    write_tiff(tmp_path / "a.tif", np.array([0, 32768, 65535], f"{order}u2").tobytes(), 16, order=order)
    assert grey(tmp_path / "a.tif") == [0, 128, 255]


def test_16_bits_whose_white_is_zero(tmp_path):
    write_tiff(tmp_path / "a.tif", np.array([0, 32768, 65535], "<u2").tobytes(), 16, photometric=0)
    assert grey(tmp_path / "a.tif") == [255, 127, 0]


def test_16_bits_are_never_taken_for_8(tmp_path):
    """A dark image in 16 bits is dark: its bits are declared, and its values are no evidence."""
    write_tiff(tmp_path / "a.tif", np.array([0, 100, 255], "<u2").tobytes(), 16)
    assert grey(tmp_path / "a.tif") == [0, 0, 0]


def test_16_bit_pgm_and_10_bit_pgm(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 32768, 65535], ">u2").tobytes())
    (tmp_path / "b.pgm").write_bytes(b"P5 3 1 1023\n" + np.array([0, 512, 1023], ">u2").tobytes())
    assert grey(tmp_path / "a.pgm") == [0, 128, 255]
    assert grey(tmp_path / "b.pgm") == [0, 128, 255]


def test_floating_point_is_refused(tmp_path):
    write_tiff(tmp_path / "a.tif", np.array([0, 0.5, 1], "<f4").tobytes(), 32, sample_format=3)
    with pytest.raises(InputError, match="floating point"):
        read_image(tmp_path / "a.tif")


def test_the_small_copy_in_a_camera_file_is_not_read_for_the_image(tmp_path):
    write_tiff(tmp_path / "a.tif", bytes(range(8)), 8, subfile=1)
    with pytest.raises(InputError, match="begins with a reduced copy"):
        read_image(tmp_path / "a.tif")


def test_lab_colour_is_refused(tmp_path):
    Image.new("LAB", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="LAB colour"):
        read_image(tmp_path / "a.tif")
