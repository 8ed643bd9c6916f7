import numpy as np
import pytest
from PIL import Image

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.crops import compute_grid_boxes, cut_grid_crops
from iqa_zoo.data.views import LONGEST_SIDE, choose_crops, cut_views, load_views, reduce_image
from iqa_zoo.errors import InputError

CROPS = FeatureSpec({}, 8, 8, 32)
WHOLE = FeatureSpec({}, 8, 8, 32, view="whole")


@pytest.fixture
def save(tmp_path):
    def save(height, width):
        pixels_HWC = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels_HWC).save(tmp_path / "a.png")
        return tmp_path / "a.png", pixels_HWC

    return save


def test_crops_are_those_of_the_grid(save):
    path, pixels_HWC = save(60, 101)
    for crop, (top, left) in zip(load_views(path, CROPS, 7), compute_grid_boxes(60, 101, 32, 7), strict=True):
        np.testing.assert_array_equal(crop, pixels_HWC[top : top + 32, left : left + 32])


def test_a_small_image_is_enlarged_before_it_is_cut(save):
    path, pixels_HWC = save(20, 30)
    larger = np.asarray(Image.fromarray(pixels_HWC).resize((48, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(load_views(path, CROPS, 3), cut_grid_crops(larger, 32, 3))
    np.testing.assert_array_equal(load_views(path, WHOLE, 3), larger[None])


def test_a_whole_image_keeps_every_pixel(save):
    path, pixels_HWC = save(33, 1024)
    np.testing.assert_array_equal(load_views(path, WHOLE, 5), pixels_HWC[None])
    views, note = cut_views(pixels_HWC, WHOLE, 1)
    assert note == ""
    assert not np.shares_memory(views, pixels_HWC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1025, 1025), (1024, 1024)),
        ((3000, 4000), (768, 1024)),
        ((4000, 3000), (1024, 768)),
        ((40, 4000), (32, 3200)),  # the short side may not fall below the input
        ((32, 4000), (32, 4000)),
        ((1024, 500), (1024, 500)),
    ],
)
def test_large_images_are_reduced(given, expected):
    reduced_HWC, note = reduce_image(np.zeros((*given, 3), np.uint8), 32)
    assert reduced_HWC.shape == (*expected, 3)
    assert note == ("" if given == expected else f"reduced from {given[0]}x{given[1]}")


def test_reducing_is_antialiased():
    """Lines of one pixel become grey: without a filter, the reduction of every second pixel would be black or white."""
    lines_HWC = np.zeros((2 * LONGEST_SIDE, 2 * LONGEST_SIDE, 3), np.uint8)
    lines_HWC[:, ::2] = 255
    reduced_HWC, _ = reduce_image(lines_HWC, 32)
    assert np.abs(reduced_HWC[8:-8, 8:-8].astype(int) - 127.5).max() < 20


def test_several_crops_of_a_whole_image_are_refused():
    assert [choose_crops(CROPS, given, 4) for given in (None, 1, 9)] == [4, 1, 9]
    assert [choose_crops(WHOLE, given, 4) for given in (None, 1)] == [1, 1]
    with pytest.raises(InputError, match="--crops 2: this backbone sees the whole of each image"):
        choose_crops(WHOLE, 2, 4)
