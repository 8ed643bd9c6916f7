import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError


def photo(height=20, width=30):
    """A smooth colour pattern, distinct along both axes."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([4 * x, 6 * y, 255 - 2 * x - 3 * y], axis=2).astype(np.uint8)


def test_rgb_comes_back_exactly(tmp_path):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    image_HWC = read_image(tmp_path / "a.png")
    assert image_HWC.dtype == np.uint8
    assert (image_HWC == photo()).all()


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned a quarter anticlockwise: shown after a quarter turn clockwise
    Image.fromarray(photo()).save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png") == np.rot90(photo(), k=-1)).all()


@pytest.mark.parametrize("alpha", [0, 51, 255])
def test_transparency_lies_over_white(tmp_path, alpha):
    rgba = np.dstack([photo(), np.full((20, 30), alpha, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    expected = photo() * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(read_image(tmp_path / "a.png") - expected).max() <= 1


def test_grey_with_alpha_and_palette_transparency(tmp_path):
    grey = np.full((4, 5), 100, np.uint8)
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey * 0)]).save(tmp_path / "la.png")
    assert (read_image(tmp_path / "la.png") == 255).all()
    palette = Image.new("P", (5, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 1)
    palette.save(tmp_path / "p.png", transparency=1)
    image_HWC = read_image(tmp_path / "p.png")
    assert image_HWC[0, 0].tolist() == [255, 255, 255]
    assert image_HWC[1, 1].tolist() == [10, 20, 30]


def test_grey_is_repeated(tmp_path):
    Image.fromarray(photo()[..., 0]).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == photo()[..., :1]).all()


def test_one_bit(tmp_path):
    Image.fromarray(photo()[..., 0] > 60).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 255 * (photo()[..., :1] > 60)).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_their_high_byte(tmp_path, suffix):
    grey_HW = np.array([[0, 255, 256], [30000, 65279, 65535]], dtype=np.uint16)
    Image.fromarray(grey_HW).save(tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / f"a.{suffix}")[..., 0].tolist() == [[0, 0, 1], [117, 254, 255]]


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red = read_image(tmp_path / "a.jpg")[8, 8]
    assert red[0] > 250
    assert red[1] < 5
    assert red[2] < 5


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated_file_is_named(tmp_path, suffix, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole, part = tmp_path / f"whole.{suffix}", tmp_path / f"part.{suffix}"
    Image.fromarray(noise).save(whole)
    part.write_bytes(whole.read_bytes()[: int(kept * whole.stat().st_size)])
    with pytest.raises(InputError, match=rf"part\.{suffix} is truncated or damaged: "):
        read_image(part)


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "notes.jpg").write_text("not an image")
    with pytest.raises(InputError, match=r"notes\.jpg is not an image"):
        read_image(tmp_path / "notes.jpg")
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png is not an image"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"gone\.png does not exist"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)


def test_samples_of_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"f\.tif holds floating point"):
        read_image(tmp_path / "f.tif")
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(InputError, match=r"i\.tif holds samples outside 16 bits"):
        read_image(tmp_path / "i.tif")
