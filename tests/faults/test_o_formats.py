"""Fault kind O1: only promised formats are opened; and damaged images are errors that name the file."""

import io
import os
import random
import warnings

import numpy as np
import pillow_heif
import pytest
from PIL import EpsImagePlugin, Image

from iqa_zoo.data import images
from iqa_zoo.data.formats import FORMATS, SUFFIXES
from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_postscript_is_refused_under_every_suffix_without_starting_ghostscript(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript was started"))
    file = tmp_path / f"photo{suffix}"
    file.write_bytes(POSTSCRIPT)
    with pytest.raises(InputError, match=r"photo\.\w+ is not an image in one of the formats PNG, JPEG, .*PostScript"):
        read_image(file)


@pytest.mark.parametrize("name", ["ICO", "PCX", "SGI", "DDS", "XBM", "QOI", "MSP", "SPIDER", "PALM"])
def test_other_formats_that_pillow_knows_are_refused(tmp_path, name):
    mode = {"XBM": "1", "MSP": "1", "SPIDER": "F", "PALM": "1"}.get(name, "RGB")
    file = io.BytesIO()
    try:
        Image.new(mode, (16, 16)).save(file, name)
    except KeyError:  # this Pillow does not write it
        file.write(b"qoif" + bytes(64))
    (tmp_path / "photo.jpg").write_bytes(file.getvalue())
    with pytest.raises(InputError, match="is not an image in one of the formats"):
        read_image(tmp_path / "photo.jpg")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"<!DOCTYPE html><html>", "HTML, SVG or XML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"", "an empty file"),
        (b"PK\3\4", "a ZIP archive"),
    ],
)
def test_what_a_file_looks_like_is_named(tmp_path, content, named):
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(InputError, match=f"it may be {named}"):
        read_image(tmp_path / "photo.jpg")


def test_a_format_without_a_signature_is_opened_by_its_suffix_only(tmp_path):
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels_HWC).save(tmp_path / "a.tga")
    assert (read_image(tmp_path / "a.tga") == pixels_HWC).all()
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.tga").read_bytes())
    with pytest.raises(InputError, match="is not an image"):
        read_image(tmp_path / "a.jpg")


def test_a_promised_format_is_read_whatever_its_suffix(tmp_path):
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    for name in ("a.jpg", "a.tga", "a"):
        Image.fromarray(pixels_HWC).save(tmp_path / name, "PNG")
        assert (read_image(tmp_path / name) == pixels_HWC).all()


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for suffix, options in {"png": {}, "gif": {}, "webp": {"lossless": True}, "tif": {}}.items():
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
        assert read_image(tmp_path / f"a.{suffix}")[4, 4].tolist() == [255, 0, 0]


def test_heic_with_and_without_its_extra(tmp_path, monkeypatch):
    ramp_HWC = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    file = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(ramp_HWC)).save(file, quality=95)
    assert np.abs(read_image(file).astype(int) - ramp_HWC).mean() < 3
    monkeypatch.setattr(images, "_register_heif", lambda: None)
    monkeypatch.setattr(Image, "OPEN", {name: how for name, how in Image.OPEN.items() if name != "HEIF"})
    with pytest.raises(InputError, match=r"a\.heic is HEIF \(HEIC\); pip install 'iqa-zoo\[heif\]'"):
        read_image(file)


def test_avif_where_pillow_lacks_it(tmp_path, monkeypatch):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.avif")
    monkeypatch.setattr(Image, "OPEN", {name: how for name, how in Image.OPEN.items() if name != "AVIF"})
    with pytest.raises(InputError, match=r"a\.avif is AVIF; pip install --upgrade 'Pillow>=11.3'"):
        read_image(tmp_path / "a.avif")


def samples():
    """Small files of every promised format, by suffix."""
    noise_HWC = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    noise_HWC[:12] = noise_HWC[0, 0]
    image, exif = Image.fromarray(noise_HWC), Image.Exif()
    exif[0x0112] = 6
    kinds = [
        ("png", "PNG", {"exif": exif}),
        ("jpg", "JPEG", {"exif": exif}),
        ("tif", "TIFF", {"compression": "tiff_lzw"}),
    ]
    kinds += [("gif", "GIF", {}), ("webp", "WEBP", {}), ("bmp", "BMP", {}), ("dib", "DIB", {}), ("ppm", "PPM", {})]
    kinds += [("tga", "TGA", {"compression": "tga_rle"}), ("jp2", "JPEG2000", {}), ("avif", "AVIF", {})]
    for suffix, name, options in kinds:
        file = io.BytesIO()
        image.save(file, name, **options)
        yield suffix, file.getvalue()
    file = io.BytesIO()
    pillow_heif.from_pillow(image.resize((64, 64))).save(file)
    yield "heic", file.getvalue()


def damage(content, rng):
    """Cut a file, or overwrite a few bytes, half of the time in its header."""
    if rng.random() < 0.3:
        return content[: rng.randrange(len(content))]
    damaged = bytearray(content)
    reach = len(damaged) if rng.random() < 0.5 else min(len(damaged), 120)
    for _ in range(rng.choice([1, 1, 2, 4, 12])):
        damaged[rng.randrange(reach)] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(damaged)


@pytest.mark.parametrize(("suffix", "content"), [pytest.param(*each, id=each[0]) for each in samples()])
def test_a_damaged_image_is_an_error_or_an_image(tmp_path, suffix, content):
    """Set IQA_ZOO_FUZZ to the number of damaged files of each format, 25 where it is not set."""
    rng, refused = random.Random(suffix), 0
    for _ in range(int(os.environ.get("IQA_ZOO_FUZZ", "25"))):
        file = tmp_path / f"damaged.{suffix}"
        file.write_bytes(damage(content, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of metadata
            try:
                image_HWC = read_image(file)
            except InputError as error:
                refused += f"damaged.{suffix}" in str(error)
            else:
                assert image_HWC.dtype == np.uint8
                assert image_HWC.shape[2] == 3
    assert refused


def test_every_format_is_in_the_table_once():
    assert len({each.name for each in FORMATS}) == len(FORMATS)
