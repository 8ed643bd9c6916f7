import pytest

from iqa_zoo.data.labels.spreadsheet import read_xlsx
from iqa_zoo.errors import InputError


def test_the_header_is_found_below_a_title(tmp_path, spreadsheet):
    rows = [["A title"], [], [None, None, "Image", "MOS"], [None, None, "a.png", 1.5], [], [None, None, 7, 2]]
    spreadsheet(tmp_path / "l.xlsx", rows, sheet="second", first="first")
    lines = read_xlsx(tmp_path / "l.xlsx", ("image", "mos"), sheet="second")
    assert [(line.text("image"), line.number("mos"), line.place) for line in lines] == [
        ("a.png", 1.5, "row 4"),
        ("7", 2, "row 6"),
    ]


def test_what_is_missing_is_named(tmp_path, spreadsheet):
    spreadsheet(tmp_path / "l.xlsx", [["A title"], ["Image", "MOS"], ["a.png", 1]], sheet="second", first="first")
    with pytest.raises(InputError, match="no sheet 'sceond'; did you mean 'second'"):
        read_xlsx(tmp_path / "l.xlsx", ("image", "mos"), sheet="sceond")
    with pytest.raises(InputError, match=r"l\.xlsx has no column 'score'; it has Image, MOS"):
        read_xlsx(tmp_path / "l.xlsx", ("image", "score"), sheet="second")
    with pytest.raises(InputError, match=r"has no row with the column names file, score; its first row has A title"):
        read_xlsx(tmp_path / "l.xlsx", ("file", "score"), sheet="second")
    with pytest.raises(InputError, match="has no row with the column names image, mos; its first row has nothing"):
        read_xlsx(tmp_path / "l.xlsx", ("image", "mos"))


def test_rows_are_as_long_as_their_values(tmp_path, spreadsheet):
    spreadsheet(tmp_path / "l.xlsx", [["image", "mos", "note"], ["a.png", 1], ["b.png", 2, "x", "beside the table"]])
    rows = read_xlsx(tmp_path / "l.xlsx", ("image", "mos"), ("note",))
    assert [row.optional_text("note") for row in rows] == ["", "x"]


def test_without_openpyxl_the_message_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install 'iqa-zoo\[xlsx\]' to read it, or save it as l\.csv beside it"):
        read_xlsx(tmp_path / "l.xlsx", ("image",))
