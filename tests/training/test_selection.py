"""Which epoch is reported: equal SROCCs, missing correlations, parts that were not measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.errors import InputError
from iqa_zoo.training.selection import RULES, check_rule, choose_epoch, compare_rules

SROCC = st.floats(-1, 1) | st.just(math.nan)


def history(validation, test):
    return [
        {
            "epoch": epoch,
            "validation": None if v is None else {"srocc": v},
            "test": None if t is None else {"srocc": t, "plcc": t / 2},
        }
        for epoch, v, t in zip(range(1, len(test) + 1), validation, test, strict=True)
    ]


@pytest.mark.slow
@given(st.lists(st.tuples(SROCC, SROCC), min_size=1, max_size=8))
def test_the_oracle_takes_the_first_of_the_best_by_a_loop(pairs):
    found = history(*zip(*pairs, strict=True))
    best = 0
    for i, (_, here) in enumerate(pairs):
        there = pairs[best][1]
        if here > there or (math.isnan(there) and not math.isnan(here)):
            best = i
    assert choose_epoch(found, "test-oracle") == best
    assert choose_epoch(found, "last") == len(pairs) - 1


def test_validation_takes_the_last_that_it_cannot_tell_from_the_best():
    assert choose_epoch(history([0.70, 0.80, 0.795, 0.785], [0.1] * 4), "validation") == 2
    assert choose_epoch(history([0.70, 0.80, 0.789, math.nan], [0.1] * 4), "validation") == 1


@pytest.mark.slow
@given(st.lists(SROCC, min_size=1, max_size=12))
def test_choosing_on_the_way_ends_where_choosing_at_the_end_does(sroccs):
    """A training keeps an epoch when it is chosen among those so far; that is the one chosen of all."""
    found = history(sroccs, [None] * len(sroccs))
    kept = [i for i in range(len(found)) if choose_epoch(found[: i + 1], "validation") == i]
    assert kept[-1] == choose_epoch(found, "validation")


@pytest.mark.slow
@given(st.lists(st.tuples(SROCC, SROCC), min_size=1, max_size=8), st.lists(SROCC, min_size=8, max_size=8))
def test_the_test_part_has_no_say_in_the_validation_rule(pairs, others):
    validation, test = zip(*pairs, strict=True)
    changed = history(validation, others[: len(validation)])
    assert choose_epoch(history(validation, test), "validation") == choose_epoch(changed, "validation")


def test_what_was_not_measured_cannot_choose():
    blind = history([0.1, 0.2], [None, None])
    assert choose_epoch(blind, "validation") == 1
    with pytest.raises(InputError, match="'test-oracle' needs the test part measured each time"):
        choose_epoch(blind, "test-oracle")
    with pytest.raises(InputError, match="no epoch was finished"):
        choose_epoch([], "last")
    with pytest.raises(InputError, match="unknown selection rule 'best'"):
        check_rule("best")


def test_every_rule_reports_the_test_metrics_of_its_own_epoch():
    assert compare_rules(history([0.3, 0.9, 0.5], [0.8, 0.4, 0.6])) == {
        "validation": {"epoch": 2, "srocc": 0.4, "plcc": 0.2},
        "last": {"epoch": 3, "srocc": 0.6, "plcc": 0.3},
        "test-oracle": {"epoch": 1, "srocc": 0.8, "plcc": 0.4},
    }
    assert compare_rules(history([0.3, 0.9], [None, None])) == {}
    assert list(compare_rules(history([None], [0.1]))) == ["last", "test-oracle"]
    assert compare_rules([]) == {}


def test_every_rule_has_a_description():
    assert all(check_rule(rule) == rule and text for rule, text in RULES.items())
