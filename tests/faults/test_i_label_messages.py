"""Kind I, label files: messages that send people the right way."""

import os
import sys
import unicodedata

import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "photos"
    (root / "in").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "in/c.png", unicodedata.normalize("NFD", "caf\u00e9.png")):
        Image.new("RGB", (8, 8)).save(root / name)
    (root / "scores.csv").write_text("image,mos\na.jpg,1\nb.png,2\n")
    return root


@pytest.mark.parametrize("blank", ["", ",", " , ", ",,", '"",""', "\t"])
def test_blank_rows_are_skipped(root, blank):
    (root / "scores.csv").write_text(f"image,mos\n{blank}\na.jpg,1\n{blank}\nb.png,2\n{blank}\n{blank}")
    assert table(root).names == ("a.jpg", "b.png")


def test_a_row_without_an_image_is_not_a_missing_folder(root):
    (root / "scores.csv").write_text("image,mos\na.jpg,1\n,2\n")
    with pytest.raises(InputError, match=r"scores\.csv, line 3: the column 'image' is empty; fill it in, or remove"):
        table(root)


@pytest.mark.parametrize("name", ["._scores.csv", "~$scores.csv", ".~lock.scores.csv#", ".scores.csv", "~$scores.tsv"])
def test_hidden_and_lock_files_are_no_label_files(root, name):
    (root / name).write_bytes(b"\x00\x05\x16\x07")
    assert len(table(root)) == 2


def test_a_folder_called_like_a_table_is_none(root):
    (root / "more.csv").mkdir()
    assert len(table(root)) == 2


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=; "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_first_line_that_names_the_separator(root, first, end):
    lines = [first, "image;mos;note", "a.jpg;1;x,y,z,w,v", "b.png;2;"]
    (root / "scores.csv").write_bytes(end.join(lines).encode())
    assert table(root).mos.tolist() == [1, 2]


def test_a_line_number_counts_the_line_that_names_the_separator(root):
    (root / "scores.csv").write_text("sep=|\nimage|mos\na.jpg|1\nb.png|two\n")
    with pytest.raises(InputError, match=r"scores\.csv, line 4: the score of b\.png is 'two'"):
        table(root)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("A.JPG", r"photos/a\.jpg is there, and the case of its letters differs"),
        ("IN/c.png", r"photos/in/c\.png is there, and the case of its letters differs"),
        (r"in\c.png", r"photos/in/c\.png is there, and the table has \\ between folders; write /"),
        (r"in\C.png", r"photos/in/c\.png is there, and the case of its letters differs"),
        ("caf\u00e9.png", r"is there, and the Unicode form of its name differs \(NFC, NFD\)"),
        ("c.png", r"photos/in/c\.png is there; write paths from the folder of the table"),
        ("photos/b.png", r"photos/b\.png is there; write paths from the folder of the table"),
        (r"D:\data\photos\b.png", r"photos/b\.png is there; write paths from the folder of the table"),
        ("b.jpg", r"photos/b\.png is there, of another suffix"),
        ("in", r"photos/in is a folder"),
        ("gone.png", r"photos/gone\.png$"),
        ("x" * 300 + ".png", r"x\.png$"),
    ],
)
def test_an_image_that_is_not_on_disk_under_this_name(root, name, hint):
    (root / "scores.csv").write_text(f"image,mos\na.jpg,1\n{name},2\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"lists 1 images that are not on disk: .*{hint}"):
        table(root)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these systems have no such file names")
def test_an_image_whose_name_on_disk_is_not_utf8(root):
    (root / os.fsdecode(b"stra\xdfe.png")).touch()
    (root / "scores.csv").write_text("image,mos\na.jpg,1\nstra\u00dfe.png,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"stra\\xdfe\.png is there, and its name on disk is not UTF-8; rename it"):
        table(root)


def test_absolute_paths_and_paths_above_the_table(root, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "above.png")
    (root / "scores.csv").write_text(f"image,mos\n{root / 'a.jpg'},1\n../above.png,2\n")
    assert [path.resolve() for path in table(root).paths] == [root / "a.jpg", tmp_path / "above.png"]


def test_an_empty_file_and_a_header_alone(root):
    for text in ("", "\ufeff", "\n\n", " \n"):
        (root / "scores.csv").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"scores\.csv is empty; it needs a header with the columns image, mos"):
            table(root)
    (root / "scores.csv").write_text("image,mos\n")
    with pytest.raises(InputError, match=r"scores\.csv lists no images"):
        table(root)


def test_a_table_without_the_columns_says_how_to_name_them(root):
    (root / "scores.csv").write_text("file,score\na.jpg,1\n")
    with pytest.raises(InputError, match=r"has no column 'image'; it has file, score; .* image=COLUMN mos=COLUMN"):
        table(root)


def test_the_hint_reaches_data_check(root, capsys):
    (root / "scores.csv").write_text("image,mos\nA.JPG,1\nb.png,2\n")
    assert main(["data", "check", "table", "--root", str(root)]) == 1
    out = capsys.readouterr().out
    assert "photos/a.jpg is there, and the case of its letters differs; write it as it is on disk" in out
    assert "missing: 1 images: " in out


def test_a_label_file_of_nearly_this_name(root):
    with pytest.raises(InputError, match=r"has no file score\.csv; did you mean 'scores\.csv'\?"):
        table(root, labels="score.csv")


def test_relative_and_absolute_paths_in_one_table(root, monkeypatch):
    Image.new("RGB", (8, 8)).save(root / "in" / "a.jpg")
    (root / "scores.csv").write_text(f"image,mos\na.jpg,1\n{root / 'in' / 'a.jpg'},2\n")
    monkeypatch.chdir(root.parent)
    assert table("photos").names == ("a.jpg", "in/a.jpg")


@pytest.mark.parametrize(
    ("score", "hint"), [("1,5", "write 1.5"), ("1,500", "write 1.500 or 1500"), ("1,2345", "write 1.2345")]
)
def test_a_comma_may_stand_after_thousands(root, score, hint):
    (root / "scores.csv").write_text(f'image,mos\na.jpg,"{score}"\nb.png,2\n')
    with pytest.raises(InputError) as caught:
        table(root)
    assert str(caught.value).endswith(f"the score of a.jpg is '{score}', not a number; {hint}")


def test_an_image_that_is_a_pipe(root):
    os.mkfifo(root / "pipe.png")
    (root / "scores.csv").write_text("image,mos\na.jpg,1\npipe.png,2\n")
    with pytest.raises(InputError) as caught:
        table(root)
    assert str(caught.value).endswith("pipe.png is not a regular file")


@pytest.mark.parametrize("images", ["", "in/"], ids=["above", "beside"])
def test_images_beside_the_folder_of_the_table(root, images):
    (root / "labels").mkdir()
    name = "c.png" if images else "a.jpg"
    (root / "labels" / "s.csv").write_text(f"image,mos\n{name},1\nb.png,2\n")
    with pytest.raises(InputError) as caught:
        table(root / "labels")
    assert f"{root / images / name} is there; write paths from the folder of the table" in str(caught.value)


@pytest.mark.parametrize("name", ["s.txt", "s.xls", "s.ods", "s.csv.gz", "scores.zip"])
def test_a_folder_whose_table_is_of_another_kind(root, name):
    (root / "scores.csv").unlink()
    (root / name).touch()
    with pytest.raises(InputError, match=f"has no CSV file.* that can be read .it has {name}.; give the table"):
        table(root)


def test_a_link_to_nowhere_with_the_name_of_a_table(root):
    (root / "scores.csv").unlink()
    (root / "scores.csv").symlink_to("scores.csv")
    with pytest.raises(InputError, match=r"that can be read \(it has scores.csv\)"):
        table(root)
