"""Verdicts as sentences, whichever model stands first."""

import pytest

from iqa_zoo.reports.verdicts import describe_pair, describe_pairs, orient_pair, summarize_baseline, summarize_verdicts


def pair(first, second, mean, verdict, **more):
    row = dict(
        first=first, second=second, mean=mean, low=mean - 0.02, high=mean + 0.03, wins=7, splits=10, verdict=verdict
    )
    return dict(margin=0.01, needed="", why="") | row | more


def test_a_pair_turned_round_says_the_same():
    given = pair("a", "b", 0.05, "ahead")
    turned = orient_pair(given, "b")
    assert (turned["first"], turned["second"], turned["verdict"], turned["wins"]) == ("b", "a", "behind", 3)
    assert (turned["mean"], turned["low"], turned["high"]) == pytest.approx((-0.05, -0.08, -0.03))
    assert (
        describe_pair(turned)
        == describe_pair(given)
        == "a is ahead of b by 0.050 SROCC [0.030, 0.080], in 7 of 10 splits."
    )
    assert orient_pair(given, "a") == given
    undefined = dict(first="a", second="b", mean=None, verdict="undecided", why="a: all scores are equal on split s")
    assert describe_pair(orient_pair(undefined, "b")) == (
        "b and a: the difference is undefined, as a: all scores are equal on split s."
    )


def test_a_pair_of_few_splits_names_the_splits_that_a_verdict_needs():
    few = pair("a", "b", 0.05, "undecided", splits=2, wins=2, needed="at least 5 splits")
    assert describe_pair(few).endswith("a ahead in 2 of 2 splits; a verdict needs at least 5 splits.")


def test_a_gap_that_is_the_same_on_every_split_says_that_its_spread_is_unknown():
    same = pair("a", "b", 0.05, "undecided", needed="", se=None)
    assert describe_pair(same).endswith("; the difference is the same on every split, so that its spread is unknown.")


def test_old_undecided_pairs_name_nothing_that_would_decide():
    assert describe_pair(pair("a", "b", 0.0, "undecided")).endswith("a ahead in 7 of 10 splits.")


def test_the_baseline_is_compared_last_and_only_with_the_compared_models():
    pairs = [
        pair("ridge", "a", 0.01, "undecided", needed="about 9 splits"),
        pair("a", "b", 0.05, "ahead"),
        pair("b", "ridge", 0.05, "ahead"),
    ]
    first, of_a, of_b = describe_pairs(pairs, "ridge", ["a", "b"])
    assert first.startswith("a is ahead of b")
    assert of_a == (
        "a has not earned its parameters. a and ridge: undecided, mean SROCC difference -0.010 [-0.040, +0.010], a ahead in 3 of "
        "10 splits; about 9 splits would decide, if mean and spread stay as they are."
    )
    assert of_b.startswith("b is ahead of ridge")
    assert describe_pairs(pairs[1:2], None, ["a", "b"]) == [first]


def test_a_count_of_verdicts_and_what_is_not_earned_at_several_places():
    verdicts = ("ahead", "behind", "equivalent", "undecided", "undecided")
    pairs = [pair("a", "ridge", 0.0, verdict, at=place) for place, verdict in enumerate(verdicts)]
    pairs.append(dict(first="a", second="ridge", mean=None, verdict="undecided", at=5))
    assert summarize_verdicts("6 shares", pairs) == (
        "a and ridge at 6 shares: a ahead at 1, ridge ahead at 1, equivalent within 0.01 at 1, undecided at 2, undefined at 1."
    )
    assert summarize_baseline(pairs, "ridge", ["a", "b"], "6 shares", lambda row: f"place {row['at']}") == [
        "a has not earned its parameters at 4 of 6 shares, against ridge: place 1 (ridge ahead), place 2 (equivalent within "
        "0.01), place 3 (undecided), place 4 (undecided)."
    ]
    assert summarize_baseline(pairs[:1], "ridge", ["a"], "1 shares", str) == ["a is ahead of ridge at 1 of 1 shares."]


def test_few_splits_say_nothing_of_parameters():
    few = pair("a", "ridge", -0.05, "undecided", splits=4, wins=0, needed="at least 5 splits", at=1)
    [line] = describe_pairs([few], "ridge", ["a"])
    assert line.startswith("a and ridge: undecided, mean SROCC difference -0.050")
    assert summarize_baseline([few, few], "ridge", ["a"], "2 shares", str) == [
        "a and ridge: undecided at 2 of 2 shares; a verdict needs at least 5 splits."
    ]


def test_equal_splits_are_wins_of_neither():
    pair = dict(first="a", second="b", mean=0.0, low=0.0, high=0.0, wins=0, losses=0, splits=10, verdict="equivalent")
    flipped = orient_pair(pair, "b")
    assert (flipped["wins"], str(flipped["mean"]), str(flipped["low"])) == (0, "0.0", "0.0")
