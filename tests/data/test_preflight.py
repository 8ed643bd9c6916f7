"""What a look at the headers shows, what decoding shows, and that all that is wrong is listed at once."""

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.images import read_size
from iqa_zoo.data.preflight import SHOWN, check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

SIZES = [(40, 48), (64, 40), (32, 32), (20, 64), (31, 100)]


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(len(SIZES))]
    for path, size in zip(paths, SIZES, strict=True):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return RatedImages("photos", tuple(paths), np.arange(5.0), score_range=(0, 5), licence="", source="")


def test_smaller_images_are_named(data):
    assert check_images(data, range(5), 32) == ["3.png", "4.png"]
    assert check_images(data, [0, 2], 32) == []
    assert check_images(data, [], 32) == []


def test_headers_show_what_is_missing_or_something_else(data):
    data.paths[1].unlink()
    data.paths[3].write_text("no image")
    data.paths[4].write_bytes(b"")
    with pytest.raises(InputError) as error:
        check_images(data, range(5), 32)
    first, *lines = str(error.value).splitlines()
    assert first == "photos: 3 of 5 images cannot be used:"
    assert [line.split("/")[-1].split(" ")[0] for line in lines] == ["1.png", "3.png", "4.png"]
    assert check_images(data, [0, 2], 32) == []


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_cut_file_shows_when_it_is_decoded(data, cut):
    content = data.paths[2].read_bytes()
    data.paths[2].write_bytes(content[: int(len(content) * cut)])
    assert check_images(data, range(5), 32) == ["3.png", "4.png"]
    with pytest.raises(InputError, match=r"1 of 5 images cannot be used:\n  - .*2\.png is truncated"):
        check_images(data, range(5), 32, images=DecodedImages(data, smallest=32))


def test_what_was_decoded_is_kept_and_told(data, monkeypatch):
    images, told = DecodedImages(data, smallest=32), []
    check_images(data, range(5), 32, images=images, progress=lambda *counts: told.append(counts))
    assert told == [(i, 5) for i in range(1, 6)]
    monkeypatch.setattr("iqa_zoo.data.decoded.read_image", lambda path: pytest.fail("decoded again"))
    assert images[3].shape == (3, 32, 102)
    assert images.notes == {"3.png": "enlarged from 20x64", "4.png": "enlarged from 31x100"}


def test_an_image_too_narrow_to_be_enlarged(data, tmp_path):
    Image.new("L", (60_000, 1)).save(data.paths[0])
    with pytest.raises(InputError, match=r"0\.png is 1x60000 pixels .* less narrow"):
        check_images(data, range(5), 224)


def test_many_problems_are_counted(tmp_path):
    paths = tuple(tmp_path / f"{i}.png" for i in range(SHOWN + 3))
    data = RatedImages("photos", paths, np.zeros(SHOWN + 3), score_range=(0, 5), licence="", source="")
    with pytest.raises(InputError, match=rf"^photos: {SHOWN + 3} of {SHOWN + 3} images cannot be used:") as error:
        check_images(data, range(SHOWN + 3), 32)
    assert str(error.value).splitlines()[-1] == "  and 3 more"
    assert len(str(error.value).splitlines()) == SHOWN + 2


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm", "tga"])
def test_a_header_has_the_size(suffix, tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / f"a.{suffix}")
    assert read_size(tmp_path / f"a.{suffix}") == (20, 30)
