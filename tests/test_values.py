"""Values under annotations: types, ranges, words."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.errors import PartError
from iqa_zoo.values import Count, Grid, Range, Share, Size, annotation_in_words, checked, value_problem


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "int"),
        (Literal["a", "b"], "one of 'a', 'b'"),
        (int | None, "int or None"),
        (Sequence[int], "list of int"),
        (Size, "int from 1 to 65536"),
        (Share, "float from 0 to 1"),
        (Grid | Sequence[Grid], "int from 1 to 64 or list of int from 1 to 64"),
        (Sequence[Sequence[Size]], "list of list of int from 1 to 65536"),
        (Annotated[float, Range(1e-9, 1e9)] | None, "float from 1e-09 to 1e+09 or None"),
        (Annotated[int, "a note"], "int"),
    ],
)
def test_annotations_in_words(hint, words):
    assert annotation_in_words(hint) == words


@given(low=st.integers(-100, 100), span=st.integers(0, 100), value=st.integers(-300, 300))
def test_a_range_holds_its_bounds_and_what_lies_between(low, span, value):
    hint = Annotated[int, Range(low, low + span)]
    assert (value_problem(value, hint) is None) == (low <= value <= low + span)
    assert (value_problem([low, value], Sequence[hint]) is None) == (low <= value <= low + span)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (0.5, Share),
        (1, Share),
        (0, Share),
        (8, Size),
        ([8, 16], Sequence[Size]),
        ([], Sequence[Size]),
        (None, Size | None),
        ((3, 4), Grid | Sequence[Grid]),
        ({"a": 1}, Mapping[str, Any] | None),
    ],
)
def test_a_value_inside_its_range_is_accepted(value, hint):
    assert value_problem(value, hint) is None


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1.0001, Share),
        (math.nan, Share),
        (math.inf, Share),
        (-math.inf, Share),
        (True, Share),
        (10**400, float),
        (10**400, Share),
        (2**64, Size),
        (0, Size),
        (8.0, Size),
        ("8", Size),
        ([8, 0], Sequence[Size]),
        ([[8, 0]], Sequence[Sequence[Size]]),
        (0, Size | None),
        ([0], Grid | Sequence[Grid]),
        (65, Grid | Sequence[Grid]),
    ],
)
def test_a_value_outside_its_range_is_a_problem(value, hint):
    problem = value_problem(value, hint)
    assert problem.startswith(f"expected {annotation_in_words(hint)}, got ")
    assert len(problem) < 400


def test_a_number_of_more_digits_than_python_prints_is_named():
    assert value_problem(10**5000, Size) == "expected int from 1 to 65536, got an int of 16610 bits"


class Part:
    @checked
    def __init__(self, width: Size, *, heads: Count = 1, dropout: Share = 0.0, plain: int = 1, kind: str = "a"):
        self.given = width, heads, dropout, plain, kind


class Narrow(Part):
    @checked
    def __init__(self, *, width: Annotated[int, Range(1, 8)] = 4, heads: Count = 1):
        super().__init__(width, heads=heads)


def test_a_checked_constructor_refuses_what_its_annotations_exclude():
    assert Part(8, heads=2, plain=0).given == (8, 2, 0.0, 0, "a")
    with pytest.raises(PartError, match="width: expected int from 1 to 65536, got 0"):
        Part(0)
    with pytest.raises(PartError, match=r"dropout: expected float from 0 to 1, got nan"):
        Part(8, dropout=math.nan)
    with pytest.raises(PartError, match="width: expected int from 1 to 8, got 9"):
        Narrow(width=9)
    assert Narrow(width=8).given[0] == 8


def test_a_checked_constructor_leaves_other_errors_to_python():
    with pytest.raises(TypeError, match="unexpected keyword argument 'wdith'"):
        Part(8, wdith=1)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        Part()
