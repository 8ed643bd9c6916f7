"""Nested training parts: by content, the same for everybody, the other parts untouched."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.data.subsets import draw_nested_subsets
from iqa_zoo.errors import InputError

FRACTIONS = [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.fixture
def data():
    """Twenty contents of three images each."""
    return RatedImages(
        "toy",
        tuple(Path(f"{i}.png") for i in range(60)),
        np.arange(60.0),
        score_range=(0, 60),
        licence="CC0",
        source="made up",
        references=tuple(f"r{i // 3}" for i in range(60)),
    )


def test_each_is_in_the_next_and_whole_contents_are_drawn(data):
    split = make_splits(data, 1, validation_fraction=0.2)[0]
    parts = [subset.split for subset in draw_nested_subsets(data, split, FRACTIONS)]
    for smaller, larger in pairwise(parts):
        assert set(smaller.train) < set(larger.train)
    for part in parts:
        drawn = {data.contents[i] for i in part.train}
        assert len(part.train) == 3 * len(drawn)
        assert part.test.tolist() == split.test.tolist()
        assert part.validation.tolist() == split.validation.tolist()
    assert [len(part.train) for part in parts] == [9, 15, 24, 30, 39]  # of 13 contents
    assert parts[-1] is split
    assert len({part.id for part in parts}) == 5


def test_the_split_alone_decides_what_is_drawn(data):
    first, second = make_splits(data, 2)
    again = make_splits(data, 1)[0]
    drawn = [draw_nested_subsets(data, split, [0.4])[0].split for split in (first, again, second)]
    assert drawn[0].train.tolist() == drawn[1].train.tolist()
    assert drawn[0].id == drawn[1].id != drawn[2].id
    more = draw_nested_subsets(data, first, [0.1, 0.4, 0.9])[1].split
    assert more.train.tolist() == drawn[0].train.tolist()


@pytest.mark.parametrize(("fraction", "says"), [(0, "above 0"), (1.2, "at most 1"), (0.01, "no content")])
def test_a_fraction_that_draws_nothing_is_an_error(data, fraction, says):
    with pytest.raises(InputError, match=says):
        draw_nested_subsets(data, make_splits(data, 1)[0], [fraction])
