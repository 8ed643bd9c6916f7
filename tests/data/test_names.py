"""Names of files and columns: an exact match counts alone, else every match up to case and Unicode form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.data.names import is_hidden, match_names, normalize_name


@pytest.mark.parametrize(
    ("wanted", "names", "found"),
    [
        ("a.png", ["a.png", "A.png"], ["a.png"]),
        ("a.png", ["A.png", "a.PNG", "b.png"], ["A.png", "a.PNG"]),
        ("caf\u00e9.png", ["cafe\u0301.png"], ["cafe\u0301.png"]),
        ("stra\u00dfe", ["STRASSE"], ["STRASSE"]),
        ("a.png", ["b.png"], []),
        ("a.png", [], []),
    ],
)
def test_matches(wanted, names, found):
    assert match_names(wanted, iter(names)) == found


@given(st.text())
def test_the_normal_form_is_of_every_form(name):
    normal = normalize_name(name)
    assert normalize_name(normal) == normal
    assert normalize_name(unicodedata.normalize("NFD", name)) == normal
    assert match_names(name, [name, normal]) in ([name], [name, normal])


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("._1.png", True), (".DS_Store", True), ("~$labels.xlsx", True), ("__MACOSX", True), ("~labels.csv", False), ("1.png", False)],
)  # fmt: skip
def test_hidden_files(name, hidden):
    assert is_hidden(name) == hidden
