from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError


def rated(paths=("d/a.png", "d/b.png", "d/c.png"), mos=(1.0, 2.0, 3.0), **changes):
    settings = dict(score_range=(0, 5), licence="CC0", source="nowhere") | changes
    return RatedImages("toy", tuple(Path(path) for path in paths), np.array(mos), **settings)


def test_keeps_a_read_only_float64_copy_of_the_scores():
    mos = np.array([1, 2, 3], dtype=np.float32)
    data = rated(mos=mos)
    mos[0] = 5
    assert data.mos.dtype == np.float64
    assert data.mos.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        data.mos[0] = 4


def test_every_image_is_its_own_content_without_references():
    assert rated().contents == ("a.png", "b.png", "c.png")
    assert rated(references=("r", "r", "s")).contents == ("r", "r", "s")


def test_names_are_told_apart_by_their_folder_only_where_they_must_be():
    assert rated(paths=("x/jpeg/1.bmp", "x/jp2k/2.bmp", "x/wn/3.bmp")).names == ("1.bmp", "2.bmp", "3.bmp")
    assert rated(paths=("x/jpeg/1.bmp", "x/jp2k/1.bmp", "x/wn/3.bmp")).names == ("jpeg/1.bmp", "jp2k/1.bmp", "wn/3.bmp")


def test_select_keeps_what_is_known_of_each_image():
    data = rated(
        references=("r", "r", "s"),
        distortions=("blur", "noise", "blur"),
        official_split=("train", "", "test"),
        deviations=[0.5, 0.25, 1],
        ratings=[20, 21, 22],
        ratings_note="counted",
        higher_is_better=False,
        label="DMOS",
    )
    part = data.select(np.array([2, 0]))
    assert [path.name for path in part.paths] == ["c.png", "a.png"]
    assert part.mos.tolist() == [3, 1]
    assert part.references == ("s", "r")
    assert part.distortions == ("blur", "blur")
    assert part.official_split == ("test", "train")
    assert not part.higher_is_better
    assert part.label == "DMOS"
    assert part.licence == "CC0"
    assert part.deviations.tolist() == [1, 0.5]
    assert part.ratings.tolist() == [22, 20]
    assert part.ratings_note == "counted"


def test_one_number_of_ratings_is_that_of_every_image():
    data = rated(ratings=30)
    assert data.ratings.tolist() == [30, 30, 30]
    assert data.ratings.dtype == np.int64
    assert data.select([1]).ratings.tolist() == [30]
    assert rated().ratings is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(paths=(), mos=()), "no images"),
        (dict(mos=(1.0, 2.0)), r"3 images and 2 mos; the first image without one is d/c\.png"),
        (dict(references=("r",)), "1 references"),
        (dict(distortions=("blur",) * 4), "4 distortions"),
        (dict(mos=(1.0, np.nan, 2.0)), r"score of d/b\.png is nan"),
        (dict(mos=(1.0, 2.0, np.inf)), r"score of d/c\.png is inf"),
        (dict(mos=(1.0, 2.0, 60.0)), r"d/c\.png is 60, outside 0\.\.5 \(1 such"),
        (dict(mos=((1.0,), (2.0,), (3.0,))), "shape"),
        (dict(paths=("d/a.png", "d/b.png", "d/a.png")), r"d/a\.png is listed twice"),
        (dict(official_split=("train", "test", "tset")), r"d/c\.png is in part 'tset'"),
        (dict(score_range=(5, 0)), "score_range"),
        (dict(deviations=(1.0, -1.0, 2.0)), r"the deviation of the ratings of d/b\.png is -1; give 0 or more"),
        (dict(deviations=(1.0, 1.0, np.nan)), r"the deviation of the ratings of d/c\.png is nan; give 0 or more"),
        (dict(ratings=(5, 0, 5)), r"the number of ratings of d/b\.png is 0; give a whole number, 1 or more"),
        (dict(ratings=(5, 5, 2.5)), r"the number of ratings of d/c\.png is 2\.5"),
        (dict(ratings=(5, 5, np.nan)), r"the number of ratings of d/c\.png is nan"),
        (dict(ratings=-3), r"the number of ratings of d/a\.png is -3"),
        (dict(ratings=(5, 5)), "3 images and 2 ratings"),
        (dict(deviations=(1.0,)), "1 deviations"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        rated(**changes)
