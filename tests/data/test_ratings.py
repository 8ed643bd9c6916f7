from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.ratings import describe_ratings, make_ratings
from iqa_zoo.errors import InputError


def rated(**known):
    paths = tuple(Path(f"d/{name}.png") for name in "abc")
    return RatedImages("toy", paths, np.array([1.0, 3.0, 5.0]), score_range=(0, 5), licence="CC0", source="-", **known)


def test_the_ratings_of_some_images():
    found = make_ratings(rated(deviations=[1, 2, 3], ratings=[4, 16, 9]), np.array([2, 1, 0]))
    assert found.mos.tolist() == [5, 3, 1]
    assert found.errors.tolist() == [1, 0.5, 0.5]
    assert len(make_ratings(rated(deviations=[1, 2, 3], ratings=16)).mos) == 3


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({}, "toy: the standard deviation and the number of the ratings of an image are not known"),
        (dict(ratings=16), "toy: the standard deviation of the ratings of an image is not known"),
        (dict(deviations=[1, 2, 3]), "toy: the number of the ratings of an image is not known"),
        (dict(deviations=[0, 0, 0], ratings=16), "all deviations of ratings are 0"),
        (dict(deviations=[1, 2, 3], ratings=[5, 1, 5]), r"toy: b\.png has 1 rating; the noise"),
    ],
)
def test_what_is_not_known_is_said(known, message):
    with pytest.raises(InputError, match=message):
        make_ratings(rated(**known))


def test_a_line_for_a_reader():
    assert describe_ratings(rated()) == "the standard deviation and the number of the ratings of an image are not known"
    assert describe_ratings(rated(deviations=[1, 2, 3], ratings=30, ratings_note="counted")) == (
        "the standard deviation of each image; 30 an image (counted)"
    )
    assert describe_ratings(rated(ratings=[4, 16, 9])) == (
        "4 to 16 an image, 9 at the median; the standard deviation of the ratings of an image is not known"
    )
