import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iqa_zoo.data import crops
from iqa_zoo.data.crops import (
    compute_grid_boxes,
    cut_crops,
    sample_crop_boxes,
    sample_crop_flips,
)
from iqa_zoo.errors import InputError


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 64), extra=st.tuples(st.integers(0, 90), st.integers(0, 90)), key=st.text())
def test_boxes_lie_inside_and_the_first_do_not_depend_on_the_count(size, extra, key):
    height, width = size + extra[0], size + extra[1]
    boxes = sample_crop_boxes(height, width, size, 7, key)
    assert len(boxes) == 7
    assert all(0 <= top <= height - size and 0 <= left <= width - size for top, left in boxes)
    assert sample_crop_boxes(height, width, size, 3, key) == boxes[:3]


def test_boxes_cover_the_image_evenly():
    boxes = np.array(sample_crop_boxes(11, 33, 2, 4000, "even"))
    rows, columns = np.bincount(boxes[:, 0], minlength=10), np.bincount(boxes[:, 1], minlength=32)
    assert len(rows) == 10
    assert len(columns) == 32
    assert abs(rows - 400).max() < 5 * np.sqrt(400)
    assert abs(columns - 125).max() < 5 * np.sqrt(125)
    assert abs(np.corrcoef(boxes.T)[0, 1]) < 0.08


def test_other_keys_give_other_boxes():
    assert sample_crop_boxes(500, 500, 224, 5, "a.png") != sample_crop_boxes(500, 500, 224, 5, "b.png")


def test_flips_are_even_and_repeatable():
    flips = sample_crop_flips(1000, "a.png")
    assert 420 < sum(flips) < 580
    assert sample_crop_flips(10, "a.png") == flips[:10]


SIDES = st.integers(0, 200)


@st.composite
def grids(draw):
    size = draw(st.integers(1, 60))
    return size + draw(SIDES), size + draw(SIDES), size, draw(st.integers(1, 40))


def _about_the_middle(boxes, room, axis, sign):
    """The boxes with one coordinate counted from the middle, where half a pixel counts as the middle."""
    counted = ((sign * (2 * box[axis] - room), box[1 - axis]) for box in boxes)
    return sorted((0 if abs(distance) == 1 else distance, other) for distance, other in counted)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(grids())
def test_a_grid_lies_inside_touches_the_borders_and_is_symmetric(grid):
    height, width, size, count = grid
    boxes = compute_grid_boxes(height, width, size, count)
    assert len(boxes) == count
    below, beside = height - size, width - size
    assert all(0 <= top <= below and 0 <= left <= beside for top, left in boxes)
    longer = int(width >= height)  # the axis along which crops are spread first
    if count > 1:
        assert {box[longer] for box in boxes} >= {0, (below, beside)[longer]}
    for axis, room in enumerate((below, beside)):
        assert _about_the_middle(boxes, room, axis, 1) == _about_the_middle(boxes, room, axis, -1)
    if height != width:
        assert sorted(compute_grid_boxes(width, height, size, count)) == sorted((left, top) for top, left in boxes)
    if max(below, beside) >= count - 1:
        assert len(set(boxes)) == count


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(grids())
def test_a_grid_that_is_large_enough_covers_every_pixel(grid):
    height, width, size, _ = grid
    side = max(-(-height // size), -(-width // size))
    count = side**2
    assume(count <= 400)
    assume(min(height, width) - size >= side - 1)  # or the crops would not be distinct
    covered = np.zeros((height, width), bool)
    for top, left in compute_grid_boxes(height, width, size, count):
        covered[top : top + size, left : left + size] = True
    assert covered.all()


@settings(max_examples=50, deadline=None)
@given(grids())
def test_covered_pixels_are_counted_as_they_are_painted(grid):
    height, width, size, count = grid
    boxes = sample_crop_boxes(height, width, size, count, "random")
    painted = np.zeros((height, width), bool)
    for top, left in boxes:
        painted[top : top + size, left : left + size] = True
    assert crops._count_covered_pixels(boxes, size) == painted.sum()


@pytest.mark.parametrize(
    ("height", "width", "count", "rows"),
    [
        (768, 1024, 10, [3, 4, 3]),
        (384, 512, 5, [2, 1, 2]),
        (384, 512, 10, [5, 5]),
        (768, 1024, 25, [5] * 5),
        (500, 500, 2, [2]),
        (224, 900, 4, [4]),
        (224, 224, 3, [3]),
    ],
)
def test_rows_of_common_sizes(height, width, count, rows):
    tops = [top for top, _ in compute_grid_boxes(height, width, 224, count)]
    found = [tops.count(top) for top in dict.fromkeys(tops)]
    assert found == rows


def test_one_crop_is_the_centre():
    assert compute_grid_boxes(300, 501, 200, 1) == ((50, 150),)


def test_crops_are_pieces_of_the_image_some_mirrored():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    boxes, flips = sample_crop_boxes(60, 50, 16, 25, "a.png"), sample_crop_flips(25, "a.png")
    cut = cut_crops(pixels, boxes, 16, flips)
    assert (cut.shape, cut.dtype) == ((25, 16, 16, 3), np.uint8)
    assert any(flips)
    for crop, (top, left), flipped in zip(cut, boxes, flips, strict=True):
        piece = pixels[top : top + 16, left : left + 16]
        assert (crop == (np.fliplr(piece) if flipped else piece)).all()


@pytest.mark.parametrize("boxes", [sample_crop_boxes, lambda *numbers: compute_grid_boxes(*numbers[:4])])
def test_numbers_that_do_not_fit(boxes):
    with pytest.raises(InputError, match=r"is 200x300 pixels.*smaller than the 224x224 crop; enlarge it first"):
        boxes(200, 300, 224, 1, "small.png")
    with pytest.raises(InputError, match="must be at least 1"):
        boxes(300, 300, 224, 0, "a")
