"""What studies say of a pair is what its numbers say."""

import pytest

from iqa_zoo.reports.decoders import make_decoders_table
from iqa_zoo.reports.shared import (
    COLUMNS,
    describe_intervals,
    format_difference,
    format_verdict,
    summarize_verdicts,
    why_undefined,
)


def pair(mean, tie=False):
    return dict(
        first="a", second="b", mean=mean, low=mean - 0.1, high=mean + 0.1, wins=3, splits=5, p_holm=0.2, tie=tie
    )


def test_a_cell_for_each_column():
    assert len(format_difference(pair(0.2))) == len(COLUMNS)


@pytest.mark.parametrize(
    ("given", "says"), [(pair(0.2), "a ahead"), (pair(-0.2), "b ahead"), (pair(0.2, True), "undecided")]
)
def test_who_is_ahead(given, says):
    assert format_verdict(given) == says


def test_several_places_in_a_line():
    assert summarize_verdicts("3 shares", [pair(0.2), pair(-0.2), pair(0.1, True)]) == (
        "a and b at 3 shares: a ahead at 1, b ahead at 1, undecided at 1."
    )


def test_the_order_of_depth_is_not_told_where_a_step_is_undefined():
    from iqa_zoo.studies.layer_probe.report import _order

    rows = [dict(model=name, level=name) for name in "abc"]
    pairs = {(deep, shallow): {**pair(0.2), "first": deep, "second": shallow} for deep, shallow in ("ba", "cb")}
    pairs["c", "b"]["mean"] = None
    assert _order(rows, pairs) == "some steps of depth cannot be judged, as an SROCC is undefined"


def test_the_note_is_of_the_test_that_was_made():
    assert "Nadeau" in describe_intervals(10)[0]
    assert "bootstrap" in describe_intervals(1)[0]


def test_the_decoders_are_named_without_a_letter():
    budget = dict(decoder=dict(params=10, active_params=10, macs=5), moved={})
    table = make_decoders_table(
        dict(matched=[dict(model="a", budget=budget)], match="none", target="", baseline="y", backbone="nss")
    )
    assert table.title == "The decoders on nss"


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"predictions": {"a": 3.0, "b": 3.0}}, "all scores are equal"),
        ({"predictions": {"a": 3.0, "b": 4.0}}, "all labels are equal"),
        ({"predictions": {}}, "all scores or all labels are equal"),
        ({}, "all scores or all labels are equal"),
    ],
)
def test_the_scores_tell_which(record, why):
    assert why_undefined(record) == why
