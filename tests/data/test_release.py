from dataclasses import replace

import pytest

from iqa_zoo.data.release import MissingImages, Release, Row, format_some, make_rated_images, parse_name
from iqa_zoo.errors import InputError

RELEASE = Release("toy", images=3, contents=2, score_range=(0, 5), licence="CC0", source="https://example.org/toy")


@pytest.fixture
def rows(tmp_path, draw):
    draw(tmp_path, "a1.png", "a2.png", "b1.png")
    return [
        Row(tmp_path / "a1.png", 1, "a", "blur", "train"),
        Row(tmp_path / "a2.png", 2, "a", "noise", "train"),
        Row(tmp_path / "b1.png", 3, "b", "blur", "test"),
    ]


def test_a_complete_release(rows):
    data = make_rated_images(RELEASE, rows)
    assert data.name == "toy"
    assert data.mos.tolist() == [1, 2, 3]
    assert data.references == ("a", "a", "b")
    assert data.distortions == ("blur", "noise", "blur")
    assert data.official_split == ("train", "train", "test")
    assert (data.score_range, data.licence, data.source) == ((0, 5), "CC0", "https://example.org/toy")


def test_what_the_rows_do_not_say_is_none(rows):
    data = make_rated_images(replace(RELEASE, contents=None), [Row(row.path, row.mos) for row in rows])
    assert data.references is None
    assert data.distortions is None
    assert data.official_split is None


def test_counts_are_checked_unless_a_subset_is_allowed(rows):
    with pytest.raises(InputError, match="the labels list 2 images, the release has 3"):
        make_rated_images(RELEASE, rows[:2])
    with pytest.raises(InputError, match="the labels name 3 source contents, the release has 2"):
        make_rated_images(RELEASE, [replace(rows[0], reference="c"), *rows[1:]])
    assert len(make_rated_images(RELEASE, rows[:2], subset=True)) == 2


def test_missing_images_are_named(rows):
    for row in rows[1:]:
        row.path.unlink()
    message = r"2 of 3 images are missing: .*a2\.png, .*b1\.png; get them from https"
    with pytest.raises(MissingImages, match=message) as caught:
        make_rated_images(RELEASE, rows)
    assert [path.name for path in caught.value.missing] == ["a2.png", "b1.png"]
    assert make_rated_images(RELEASE, rows, subset=True).names == ("a1.png",)
    rows[0].path.unlink()
    with pytest.raises(MissingImages, match="3 of 3"):
        make_rated_images(RELEASE, rows, subset=True)


def test_small_things():
    assert parse_name("I01_02.PNG", r"(i\d\d)_(\d\d)\.png", "I01_02.png", "l.csv, line 2") == ("i01", "02")
    with pytest.raises(InputError, match=r"l\.csv, line 2: 'x\.png' is not an image name like I01_02\.png"):
        parse_name("x.png", r"(i\d\d)_(\d\d)\.png", "I01_02.png", "l.csv, line 2")
    assert format_some([1, 2, 3], most=2) == "1, 2 and 1 more"
    assert format_some(["a"]) == "a"
