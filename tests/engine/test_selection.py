"""Which epoch is reported: ties, missing correlations, parts that were not measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.engine.selection import RULES, check_rule, choose, every_rule
from iqa_zoo.errors import InputError

SROCC = st.floats(-1, 1) | st.just(math.nan)


def history(validation, test):
    return [
        {"validation": None if v is None else {"srocc": v}, "test": None if t is None else {"srocc": t, "plcc": t / 2}}
        for v, t in zip(validation, test, strict=True)
    ]


@given(st.lists(st.tuples(SROCC, SROCC), min_size=1, max_size=8))
def test_the_first_of_the_best_by_a_loop(pairs):
    found = history(*zip(*pairs, strict=True))
    for rule, column in (("validation", 0), ("test-oracle", 1)):
        best = 0
        for i, pair in enumerate(pairs):
            here, there = pair[column], pairs[best][column]
            if here > there or (math.isnan(there) and not math.isnan(here)):
                best = i
        assert choose(found, rule) == best
    assert choose(found, "last") == len(pairs) - 1


@given(st.lists(st.tuples(SROCC, SROCC), min_size=1, max_size=8), st.lists(SROCC, min_size=8, max_size=8))
def test_the_test_part_has_no_say_in_the_validation_rule(pairs, others):
    validation, test = zip(*pairs, strict=True)
    changed = history(validation, others[: len(validation)])
    assert choose(history(validation, test), "validation") == choose(changed, "validation")


def test_what_was_not_measured_cannot_choose():
    blind = history([0.1, 0.2], [None, None])
    assert choose(blind, "validation") == 1
    with pytest.raises(InputError, match="'test-oracle' needs the test part measured after every epoch"):
        choose(blind, "test-oracle")
    with pytest.raises(InputError, match="no epoch was finished"):
        choose([], "last")
    with pytest.raises(InputError, match="unknown selection rule 'best'"):
        check_rule("best")


def test_every_rule_reports_the_test_metrics_of_its_own_epoch():
    assert every_rule(history([0.3, 0.9, 0.5], [0.8, 0.4, 0.6])) == {
        "validation": {"epoch": 2, "srocc": 0.4, "plcc": 0.2},
        "last": {"epoch": 3, "srocc": 0.6, "plcc": 0.3},
        "test-oracle": {"epoch": 1, "srocc": 0.8, "plcc": 0.4},
    }
    assert every_rule(history([0.3, 0.9], [None, None])) == {}
    assert list(every_rule(history([None], [0.1]))) == ["last", "test-oracle"]
    assert every_rule([]) == {}


def test_every_rule_has_a_description():
    assert all(check_rule(rule) == rule and text for rule, text in RULES.items())
