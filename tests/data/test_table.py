import pytest

from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError


@pytest.fixture
def root(tmp_path, draw):
    root = tmp_path / "holiday"
    draw(root, "a.png", "in/b.png", "c.png")
    (root / "scores.csv").write_text("image,mos\na.png,1\nin/b.png,2.5\nc.png,4\n")
    return root


def test_two_columns_will_do(root):
    data = table(root)
    assert data.name == "holiday"
    assert data.names == ("a.png", "b.png", "c.png")
    assert data.mos.tolist() == [1, 2.5, 4]
    assert data.score_range == (1, 4)
    assert data.references is None
    assert data.distortions is None
    assert data.official_split is None
    assert data.higher_is_better
    assert table(root / "scores.csv").names == data.names


def test_an_image_without_a_word_is_in_no_part_of_the_split(root):
    (root / "scores.csv").write_text("image,mos,split\na.png,1,train\nin/b.png,2,\nc.png,3,Testing\n")
    assert table(root).official_split == ("train", "", "test")


def test_all_columns_in_any_order(root):
    lines = ["Split;MOS;Distortion;Image;Reference;Note", "Training;1;blur;a.png;r;x", "val;2;;in/b.png;r;"]
    (root / "scores.csv").write_text("\n".join([*lines, "test;3;blur;c.png;s;\n"]))
    data = table(root, higher_is_better=False, score_range=(0, 10), name="mine")
    assert data.name == "mine"
    assert data.references == ("r", "r", "s")
    assert data.distortions == ("blur", "", "blur")
    assert data.official_split == ("train", "validation", "test")
    assert data.score_range == (0, 10)
    assert not data.higher_is_better
    assert data.label == "DMOS"


def test_deviations_and_numbers_of_ratings(root):
    (root / "scores.csv").write_text("image,mos,SD,n\na.png,1,0.5,20\nin/b.png,2.5,0.75,21\nc.png,4,0,22\n")
    data = table(root, deviation="sd", ratings="n")
    assert data.deviations.tolist() == [0.5, 0.75, 0]
    assert data.ratings.tolist() == [20, 21, 22]
    assert table(root).deviations is table(root).ratings is None
    same = table(root, deviation="sd", ratings="24")
    assert same.ratings.tolist() == [24, 24, 24]
    assert same.ratings_note == "one number for all images, as given"
    (root / "scores.csv").write_text(
        "image,mos,deviation,ratings\na.png,1,0.5,20\nin/b.png,2.5,0.75,21\nz.png,4,0,22\n"
    )
    some = table(root, subset=True)
    assert some.deviations.tolist() == [0.5, 0.75]
    assert some.ratings.tolist() == [20, 21]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("-0.5,20", r"the deviation of the ratings of .*a\.png is -0\.5; give 0 or more"),
        ("0.5,0", r"the number of ratings of .*a\.png is 0; give a whole number, 1 or more"),
        ("0.5,2.5", r"the number of ratings of .*a\.png is 2\.5"),
        ("inf,20", "the column 'deviation' is 'inf', not a number"),
        ("0.5,", "the column 'ratings' is empty; fill it in"),
    ],
)
def test_ratings_that_cannot_be_are_refused(root, cells, message):
    (root / "scores.csv").write_text(f"image,mos,deviation,ratings\na.png,1,{cells}\nc.png,2,1,20\n")
    with pytest.raises(InputError, match=message):
        table(root)


def test_a_missing_column_of_deviations_is_named(root):
    with pytest.raises(InputError, match="no column 'sd'"):
        table(root, deviation="sd")


def test_one_of_several_tables(root):
    (root / "other.csv").write_text("image,mos\na.png,1\nc.png,2\n")
    with pytest.raises(InputError, match=r"has 2 CSV files \(other\.csv, scores\.csv\)"):
        table(root)
    assert len(table(root, labels="other.csv")) == 2
    with pytest.raises(InputError, match=r"has no file gone\.csv"):
        table(root, labels="gone.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,score\na.png,1\n", "no column 'mos'"),
        ("image,mos\n", "lists no images"),
        ("image,mos\na.png,good\nc.png,1\n", r"the score of a\.png is 'good'"),
        ("image,mos\na.png,nan\nc.png,1\n", r"the score of a\.png is 'nan'"),
        ("image,mos\na.png,2\nc.png,2\n", "all scores are 2; give the scale"),
        ("image,mos\na.png,1\nz.png,2\n", r"lists 1 images that are not on disk: .*z\.png"),
        ("image,mos\na.png,1\na.png,2\n", r"a\.png is listed twice"),
        ("image,mos,split\na.png,1,train\nc.png,2,tset\n", r"c\.png is in split 'tset'"),
        ("image,mos,reference\na.png,1,r\nc.png,2,\n", r"c\.png has no reference"),
    ],
)
def test_what_is_wrong_is_named(root, text, message):
    (root / "scores.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        table(root)


def test_missing_things_are_named(root, tmp_path):
    with pytest.raises(InputError, match="gone does not exist"):
        table(tmp_path / "gone")
    (root / "scores.csv").unlink()
    with pytest.raises(InputError, match="no CSV file"):
        table(root)


def test_a_subset_leaves_out_what_is_not_there(root):
    (root / "a.png").unlink()
    assert table(root, subset=True).names == ("b.png", "c.png")
