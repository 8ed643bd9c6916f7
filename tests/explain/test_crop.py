import numpy as np
import pytest
import torch
from PIL import Image

from iqa_zoo.errors import InputError
from iqa_zoo.explain.crop import read_crop


def test_is_the_middle_of_the_image(photo):
    crop = read_crop(photo, 64)
    with Image.open(photo) as image:
        image_HWC = np.asarray(image)
    assert np.array_equal(crop.pixels_HWC, image_HWC[3:67, 13:77])
    assert crop.batch_BCHW.dtype == torch.uint8
    assert np.array_equal(crop.batch_BCHW[0].permute(1, 2, 0).numpy(), crop.pixels_HWC)
    assert crop.describe() == "the centre crop of 64x64 pixels at row 3, column 13 of 70x90"


def test_a_small_image_is_enlarged_and_says_so(photo):
    crop = read_crop(photo, 140)
    assert crop.image_HWC.shape == (140, 180, 3)
    assert crop.describe().endswith("column 20 of 140x180, enlarged from 70x90")


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    for name, reason in (("a.png", "is not an image"), ("b.png", "does not exist")):
        with pytest.raises(InputError, match=f"{name} {reason}"):
            read_crop(tmp_path / name, 64)
