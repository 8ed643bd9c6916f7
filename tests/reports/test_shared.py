"""What studies say of a pair is what its numbers say."""

import pytest

from iqa_zoo.reports.decoders import make_decoders_table
from iqa_zoo.reports.shared import (
    COLUMNS,
    describe_intervals,
    find_unearned,
    format_difference,
    format_verdict,
    read_difference,
    tabulate_differences,
)


def pair(mean, verdict, **more):
    row = dict(
        first="a", second="b", mean=mean, low=mean - 0.1, high=mean + 0.1, wins=3, splits=5, p=0.2, verdict=verdict
    )
    return dict(margin=0.01, pairs=1, needed="", why="") | row | more


def test_a_cell_for_each_column():
    assert format_difference(pair(0.2, "undecided", needed="about 9 splits")) == [
        "+0.200", "[+0.100, +0.300]", "3 of 5", "0.200", "undecided", "about 9 splits"
    ]  # fmt: skip
    assert len(format_difference(pair(0.2, "ahead"))) == len(COLUMNS)
    undefined = format_difference(dict(first="a", second="b", mean=None, why="all scores are equal"))
    assert undefined == ["undefined", "-", "-", "-", "undefined: all scores are equal", "-"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (pair(0.2, "ahead"), "a ahead"),
        (pair(-0.2, "behind"), "b ahead"),
        (pair(0.2, "undecided"), "undecided"),
        (pair(0.0, "equivalent", margin=0.025), "equivalent within 0.025"),
    ],
)
def test_who_is_ahead(given, says):
    assert format_verdict(given) == says


@pytest.mark.parametrize(
    ("verdict", "shown", "unearned"),
    [
        ("ahead", "a ahead", None),
        ("behind", "b ahead", "a"),
        ("equivalent", "equivalent within 0.01", "a"),
        ("undecided", "undecided", "a"),
    ],
)
def test_only_a_decoder_ahead_of_the_baseline_has_earned_its_parameters(verdict, shown, unearned):
    given = pair(0.1, verdict)
    assert find_unearned(given, "b") == unearned
    table = tabulate_differences("Differences", [given], [], baseline="b")
    assert table.rows[0][-2] == shown + (f"; {unearned} has not earned its parameters" if unearned else "")
    assert tabulate_differences("Differences", [given], []).rows[0][-2] == shown
    assert find_unearned(given, "c") is None
    assert find_unearned({**given, "splits": 5}, "b") == unearned
    assert find_unearned({**given, "mean": None}, "b") is None
    named = pair(0.1, verdict, first="a on x", second="b on x", decoders=["a", "b"])
    assert find_unearned(named, "b") == unearned


@pytest.mark.parametrize("splits", [1, 4])
def test_few_splits_show_of_no_decoder_that_it_has_not_earned_its_parameters(splits):
    given = pair(0.1, "undecided", splits=splits)
    assert find_unearned(given, "b") is None
    assert tabulate_differences("Differences", [given], [], baseline="b").rows[0][-2] == "undecided"


def test_the_baseline_may_come_first():
    assert find_unearned(pair(0.1, "behind"), "a") is None
    assert find_unearned(pair(0.1, "ahead"), "a") == "b"


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (pair(0.2, "ahead", p_ahead=0.99, p_behind=0.0), "ahead"),
        (dict(pair(0.0, "equivalent", p_ahead=0.01, p_behind=0.01)), "equivalent"),
        (pair(0.0, "undecided", p_ahead=0.3, p_behind=0.2), "undecided"),
        (pair(0.0, "undecided", margin=None, p_ahead=None), "undecided"),
        (pair(0.2, "ahead", margin=None), "ahead"),
        (pair(0.2, "undecided", margin=None, splits=3), "undecided"),
        (pair(0.2, "undecided", splits=1, p_ahead=None), "undecided"),
    ],
)
def test_the_estimate_of_a_plot_has_the_verdict_of_the_row(given, verdict):
    assert read_difference(given).verdict == given["verdict"] == verdict


def test_the_notes_describe_how_the_intervals_were_made():
    several, rule = describe_intervals(10, [pair(0.2, "ahead", pairs=6)])
    assert "Nadeau" in several
    assert "adjusted for 6 comparisons (Bonferroni)" in several
    assert rule.startswith("equivalent within 0.01: the 90 % interval")
    (one,) = describe_intervals(1, [pair(0.2, "undecided", splits=1)])
    assert "bootstrap" in one
    assert "undecided, as a verdict needs at least 5 splits" in one
    assert "Bonferroni" not in one
    assert "one split in common" in describe_intervals(10, [pair(0.2, "ahead"), pair(0.2, "undecided", splits=1)])[-1]
    unknown = describe_intervals(10, [pair(0.2, "ahead", why="it has too few contents")])
    assert unknown[-1] == "a - b: the interval lacks the error of sampling the test images: it has too few contents."
    (old,) = describe_intervals(10, [pair(0.2, "ahead", margin=None)])
    assert old.startswith("Results of an earlier version")


def test_the_decoders_are_named_without_a_letter():
    budget = dict(decoder=dict(params=10, active_params=10, macs=5), moved={})
    table = make_decoders_table(
        dict(matched=[dict(model="a", budget=budget)], match="none", target="", baseline="y", backbone="nss")
    )
    assert table.title == "The decoders on nss"
