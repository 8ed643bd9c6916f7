from dataclasses import replace
from pathlib import Path

import pytest

from iqa_zoo.data.release import (
    MissingImages,
    Release,
    Row,
    file_index,
    find,
    find_any,
    name_parts,
    number,
    rated_images,
    read_csv,
    read_lines,
    read_xlsx,
    some,
)
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
    data = rated_images(RELEASE, rows)
    assert data.name == "toy"
    assert data.mos.tolist() == [1, 2, 3]
    assert data.references == ("a", "a", "b")
    assert data.distortions == ("blur", "noise", "blur")
    assert data.official_split == ("train", "train", "test")
    assert (data.score_range, data.licence, data.source) == ((0, 5), "CC0", "https://example.org/toy")


def test_what_the_rows_do_not_say_is_none(rows):
    data = rated_images(replace(RELEASE, contents=None), [Row(row.path, row.mos) for row in rows])
    assert data.references is None
    assert data.distortions is None
    assert data.official_split is None


def test_counts_are_checked_unless_a_subset_is_allowed(rows):
    with pytest.raises(InputError, match="the labels list 2 images, the release has 3"):
        rated_images(RELEASE, rows[:2])
    with pytest.raises(InputError, match="the labels name 3 source contents, the release has 2"):
        rated_images(RELEASE, [replace(rows[0], reference="c"), *rows[1:]])
    assert len(rated_images(RELEASE, rows[:2], subset=True)) == 2


def test_missing_images_are_named(rows):
    for row in rows[1:]:
        row.path.unlink()
    message = r"2 of 3 images are missing: .*a2\.png, .*b1\.png; get them from https"
    with pytest.raises(MissingImages, match=message) as caught:
        rated_images(RELEASE, rows)
    assert [path.name for path in caught.value.missing] == ["a2.png", "b1.png"]
    assert rated_images(RELEASE, rows, subset=True).names == ("a1.png",)
    rows[0].path.unlink()
    with pytest.raises(MissingImages, match="3 of 3"):
        rated_images(RELEASE, rows, subset=True)


def test_find_ignores_case_and_takes_the_first(tmp_path):
    (tmp_path / "Images" / "Inner").mkdir(parents=True)
    (tmp_path / "labels.csv").touch()
    assert find_any(tmp_path, "IMAGES/inner") == tmp_path / "Images" / "Inner"
    assert find(tmp_path, RELEASE, "gone", "LABELS.CSV", what="x") == tmp_path / "labels.csv"
    assert find_any(tmp_path, "labels.csv/x") is None
    message = r"toy: the label file not found: .* holds no a or b/c; get the release from https"
    with pytest.raises(InputError, match=message):
        find(tmp_path, RELEASE, "a", "b/c", what="the label file")
    with pytest.raises(InputError, match="nowhere does not exist"):
        find(tmp_path / "nowhere", RELEASE, "a", what="the label file")


def test_file_index(tmp_path, draw):
    draw(tmp_path, "A.PNG", "inner/b.png", "inner/a.png")
    assert file_index(tmp_path)["a.png"] == tmp_path / "A.PNG"
    assert "b.png" not in file_index(tmp_path)
    deep = file_index(tmp_path, deep=True)
    assert deep["b.png"] == tmp_path / "inner" / "b.png"
    assert deep["a.png"] == tmp_path / "A.PNG"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv(tmp_path, separator):
    text = 'Image, MOS ,note\na.png,1.5,"x"\n\nb.png,2,\n'.replace(",", separator)
    (tmp_path / "l.csv").write_text("\ufeff" + text, encoding="utf-8")
    lines = list(read_csv(tmp_path / "l.csv", ("image", "mos")))
    assert lines == [{"image": "a.png", "mos": "1.5", "note": "x"}, {"image": "b.png", "mos": "2", "note": ""}]


def test_csv_errors(tmp_path):
    file = tmp_path / "l.csv"
    file.write_text("image,moss\n")
    with pytest.raises(InputError, match=r"l\.csv has no column 'mos'; did you mean 'moss'\? it has image, moss"):
        list(read_csv(file, ("image", "mos")))
    file.write_text("image,mos\na.png\n")
    with pytest.raises(InputError, match=r"l\.csv, line 2: 1 values under 2 columns"):
        list(read_csv(file, ("image", "mos")))
    file.write_text("")
    with pytest.raises(InputError, match="has no column 'image'; it has none"):
        list(read_csv(file, ("image", "mos")))


def test_xlsx_finds_its_header(tmp_path, spreadsheet):
    rows = [["A title"], [], [None, None, "Image", "MOS"], [None, None, "a.png", 1.5], [], [None, None, 7, 2]]
    spreadsheet(tmp_path / "l.xlsx", rows, sheet="second", first="first")
    lines = list(read_xlsx(tmp_path / "l.xlsx", ("image", "mos"), "second"))
    assert [(line["image"], line["mos"]) for line in lines] == [("a.png", 1.5), (7, 2)]
    with pytest.raises(InputError, match="no sheet 'sceond'; did you mean 'second'"):
        list(read_xlsx(tmp_path / "l.xlsx", ("image", "mos"), "sceond"))
    with pytest.raises(InputError, match=r"l\.xlsx has no column 'score'"):
        list(read_xlsx(tmp_path / "l.xlsx", ("image", "score"), "second"))
    (tmp_path / "l.xlsx").write_text("no")
    with pytest.raises(InputError, match=r"l\.xlsx is not a spreadsheet"):
        list(read_xlsx(tmp_path / "l.xlsx", ("image",)))


def test_lines(tmp_path):
    (tmp_path / "l.txt").write_text("a.png 1.5\n\nb.png, 2\nc.png,3\n")
    assert list(read_lines(tmp_path / "l.txt")) == [("a.png", "1.5"), ("b.png", "2"), ("c.png", "3")]


def test_small_things():
    assert number("1.5", Path("l.csv"), "a.png") == 1.5
    with pytest.raises(InputError, match=r"l\.csv: the score of a\.png is 'good', not a number"):
        number("good", Path("l.csv"), "a.png")
    with pytest.raises(InputError, match=r"a\.png is None, not a number"):
        number(None, Path("l.csv"), "a.png")
    assert name_parts("I01_02.PNG", r"(i\d\d)_(\d\d)\.png", "I01_02.png", Path("l.csv")) == ("i01", "02")
    with pytest.raises(InputError, match=r"l\.csv: 'x\.png' is not an image name like I01_02\.png"):
        name_parts("x.png", r"(i\d\d)_(\d\d)\.png", "I01_02.png", Path("l.csv"))
    assert some([1, 2, 3], most=2) == "1, 2 and 1 more"
    assert some(["a"]) == "a"
