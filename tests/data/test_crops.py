import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from iqa_zoo.data import crops
from iqa_zoo.data.crops import crop_boxes, crop_flips, load_crops
from iqa_zoo.errors import InputError


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 64), extra=st.tuples(st.integers(0, 90), st.integers(0, 90)), key=st.text())
def test_boxes_lie_inside_and_the_first_do_not_depend_on_the_count(size, extra, key):
    height, width = size + extra[0], size + extra[1]
    boxes = crop_boxes(height, width, size, 7, key)
    assert len(boxes) == 7
    assert all(0 <= top <= height - size and 0 <= left <= width - size for top, left in boxes)
    assert crop_boxes(height, width, size, 3, key) == boxes[:3]


def test_boxes_cover_the_image_evenly():
    boxes = np.array(crop_boxes(11, 33, 2, 4000, "even"))
    rows, columns = np.bincount(boxes[:, 0], minlength=10), np.bincount(boxes[:, 1], minlength=32)
    assert len(rows) == 10
    assert len(columns) == 32
    assert abs(rows - 400).max() < 5 * np.sqrt(400)
    assert abs(columns - 125).max() < 5 * np.sqrt(125)
    assert abs(np.corrcoef(boxes.T)[0, 1]) < 0.08


def test_other_keys_give_other_boxes():
    assert crop_boxes(500, 500, 224, 5, "a.png") != crop_boxes(500, 500, 224, 5, "b.png")


def test_flips_are_even_and_repeatable():
    flips = crop_flips(1000, "a.png")
    assert 420 < sum(flips) < 580
    assert crop_flips(10, "a.png") == flips[:10]


def test_image_of_exactly_the_size_is_the_crop(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (load_crops(tmp_path / "a.png", 32, 1) == pixels).all()


def test_crops_are_pieces_of_the_image_decoded_once(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reads = []
    monkeypatch.setattr(crops, "read_image", lambda path, read=crops.read_image: reads.append(path) or read(path))
    cut = load_crops(tmp_path / "a.png", 16, 25, flip=True)
    assert len(reads) == 1
    assert cut.shape == (25, 16, 16, 3)
    assert cut.dtype == np.uint8
    boxes, flips = crop_boxes(60, 50, 16, 25, "a.png"), crop_flips(25, "a.png")
    assert any(flips)
    for crop, (top, left), flipped in zip(cut, boxes, flips, strict=True):
        piece = pixels[top : top + 16, left : left + 16]
        assert (crop == (np.fliplr(piece) if flipped else piece)).all()
    assert (load_crops(tmp_path / "a.png", 16, 25, seed_key="other") != cut).any()


def test_small_image_says_what_to_do(tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "small.png")
    message = r"small\.png is 200x300 pixels.*upscale.*at least 224 \(for instance to 224x336\)"
    with pytest.raises(InputError, match=message):
        load_crops(tmp_path / "small.png", 224, 1)
    with pytest.raises(InputError, match="must be at least 1"):
        crop_boxes(300, 300, 224, 0, "a")
