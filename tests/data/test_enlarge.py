"""Images smaller than a model's input are enlarged in one way; others are left alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from iqa_zoo.data import enlarge as module
from iqa_zoo.data.enlarge import compute_enlarged_size, enlarge
from iqa_zoo.errors import InputError

FILE = Path("a.png")
SIDES = st.integers(1, 2000)


@given(SIDES, SIDES, st.integers(1, 400))
def test_the_short_side_is_what_was_wanted_and_the_shape_is_kept(height, width, smallest):
    assume(max(height, width) / min(height, width) * smallest**2 < 0.9 * module.LARGEST)  # beyond it is an error: below
    larger = compute_enlarged_size(height, width, smallest, FILE)
    if min(height, width) >= smallest:
        assert larger == (height, width)
        return
    assert min(larger) == smallest
    scale = smallest / min(height, width)
    assert abs(larger[0] - height * scale) <= 0.5
    assert abs(larger[1] - width * scale) <= 0.5
    assert compute_enlarged_size(width, height, smallest, FILE) == larger[::-1]
    assert compute_enlarged_size(*larger, smallest, FILE) == larger


def test_pixels_are_those_of_a_bicubic_resize_and_a_large_image_is_the_same_object():
    small_HWC = np.random.default_rng(0).integers(0, 256, (7, 10, 3), dtype=np.uint8)
    larger_HWC, note = enlarge(small_HWC, 14, FILE)
    expected = Image.fromarray(small_HWC).resize((20, 14), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(larger_HWC, np.asarray(expected))
    assert note == "enlarged from 7x10"
    assert enlarge(small_HWC, 7, FILE) == (small_HWC, "")
    turned_HWC = small_HWC.transpose(2, 0, 1).copy().transpose(1, 2, 0)  # another memory layout
    np.testing.assert_array_equal(enlarge(turned_HWC, 14, FILE)[0], larger_HWC)


def test_a_thread_of_pixels_is_refused_before_it_is_enlarged(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(InputError, match=r"a\.png is 2x100 pixels .* would be 10x500 .* less narrow"):
        enlarge(np.zeros((2, 100, 3), np.uint8), 10, FILE)
