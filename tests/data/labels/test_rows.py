import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.data.labels.rows import LabelRow, MissingColumn, find_columns
from iqa_zoo.errors import InputError

PATH = Path("l.csv")


def row(value):
    return LabelRow(PATH, "line 2", {"mos": value})


@pytest.mark.parametrize(
    ("value", "number"), [(" 1.5 ", 1.5), ("+2", 2), ("-.5e1", -5), ("3.", 3), (4, 4), (0.25, 0.25)]
)
def test_numbers(value, number):
    assert row(value).number("mos") == number


@pytest.mark.parametrize(
    "value",
    [
        "good",
        "1_0",
        "١",
        "0x1",
        "1 2",
        "1,5",
        "",
        None,
        True,
        "nan",
        "inf",
        "-inf",
        "1e400",
        10**400,
        math.nan,
        [1],
        1j,
    ],
)
def test_what_is_no_number(value):
    with pytest.raises(InputError, match=r"l\.csv, line 2: the score of a\.png is "):
        row(value).number("mos", "a.png")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_comes_back(value):
    assert row(repr(value)).number("mos") == value
    assert row(f" {value!r}\t").number("mos") == value


@pytest.mark.parametrize(("value", "text"), [(" a b ", "a b"), (7, "7"), (7.0, "7"), (7.5, "7.5"), ("007", "007")])
def test_text(value, text):
    assert row(value).text("mos") == text


def test_text_that_is_not_there():
    assert row(None).optional_text("mos") == row(" ").optional_text("mos") == row("a").optional_text("other") == ""
    with pytest.raises(InputError, match=r"l\.csv, line 2: the column 'mos' is empty"):
        row(" ").text("mos")
    with pytest.raises(InputError, match=r"l\.csv, line 2: the column 'mos' holds True; format the cell as text"):
        row(True).text("mos")


def test_columns():
    assert find_columns(PATH, ["", " MOS ", "Image"], ["image", "mos"], ["split"]) == {"image": 2, "mos": 1}
    assert find_columns(PATH, ["MOS", "mos"], ["mos"]) == {"mos": 1}
    assert find_columns(PATH, ["a", "a", "mos"], ["mos"]) == {"mos": 2}
    with pytest.raises(MissingColumn, match=r"l\.csv has no variable 'mos'; did you mean 'moss'\? it has image, moss"):
        find_columns(PATH, ["image", "moss"], ["mos"], what="variable")
    with pytest.raises(InputError, match=r"l\.csv has the column 'mos' twice; which is 'mos'\?"):
        find_columns(PATH, ["mos", "mos"], ["mos"])
    with pytest.raises(InputError, match=r"l\.csv has the columns MOS and Mos; which is 'mos'\?"):
        find_columns(PATH, ["MOS", "Mos"], [], ["mos"])
