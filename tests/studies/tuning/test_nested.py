"""The splits of a tuning hold no test image and no content in two parts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.errors import InputError
from iqa_zoo.studies.tuning.nested import make_inner_split


def make_data(images, contents):
    return RatedImages(
        "toy", tuple(Path(f"{i}.png") for i in range(images)), np.arange(float(images)), score_range=(0, images),
        licence="CC0", source="made up", references=tuple(str(i % contents) for i in range(images)),
    )  # fmt: skip


@pytest.mark.slow
@given(st.integers(60, 90), st.integers(20, 40), st.sampled_from([0.0, 0.2]), st.integers(0, 9))
def test_no_test_image_is_in_it_and_contents_stay_together(images, contents, fraction, seed):
    data = make_data(images, contents)
    (split,) = make_splits(data, 1, seed=seed, validation_fraction=fraction)
    inner = make_inner_split(data, split, data.contents, seed)
    train, validation = set(inner.train.tolist()), set(inner.validation.tolist())
    assert inner.test.tolist() == inner.validation.tolist()
    assert not (train | validation) & set(split.test.tolist())
    assert train | validation == set(split.train.tolist()) | set(split.validation.tolist())
    assert not {data.contents[i] for i in train} & {data.contents[i] for i in validation}
    if fraction:
        assert validation == set(split.validation.tolist())


def test_a_part_that_is_too_small_is_refused():
    data = make_data(20, 20)
    (split,) = make_splits(data, 1)
    with pytest.raises(
        InputError, match="validation part of 3 images inside the training part is too small to tune by"
    ):
        make_inner_split(data, split, data.contents, 0)
