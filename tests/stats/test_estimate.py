"""The verdict on an estimate."""

import copy
import json
import math
import pickle
from dataclasses import asdict

import pytest

from iqa_zoo.stats.estimate import VERDICTS, Estimate


def test_the_phrase_names_the_model_ahead():
    assert Estimate(-0.02, -0.03, -0.01, 0.01, 10).describe("a", "b") == "b ahead by 0.020 [0.010, 0.030]"
    nothing = float("nan")
    undefined = Estimate(nothing, nothing, nothing, nothing, 10)
    assert not undefined.is_defined
    assert undefined.describe("a", "b") == "undefined"
    assert undefined.verdict == "undecided"


def test_an_equivalent_pair_is_described_with_its_margin():
    found = Estimate(0.001, -0.004, 0.006, count=10, margin=0.01, p_ahead=0.001, p_behind=0.001)
    assert found.describe("a", "b") == "equivalent within 0.01: 0.001 [-0.004, 0.006]"


@pytest.mark.parametrize(
    ("low", "high", "p_ahead", "p_behind", "count", "verdict"),
    [
        (0.001, 0.009, 0.01, 0.0, 10, "equivalent"),  # before ahead
        (0.001, 0.02, 0.3, 0.0, 10, "ahead"),
        (-0.02, -0.001, 0.0, 0.3, 10, "behind"),
        (-0.02, 0.001, 0.0, 0.3, 10, "undecided"),
        (0.0, 0.02, 0.3, 0.0, 10, "undecided"),  # 0 is in the interval
        (-0.001, 0.001, 0.051, 0.0, 10, "undecided"),
        (-0.001, 0.001, 0.049, 0.0, 10, "equivalent"),
        (0.02, 0.03, 0.999, 0.0, 4, "undecided"),  # four splits
        (0.02, 0.03, 0.999, 0.0, 5, "ahead"),
    ],
)
def test_the_rule(low, high, p_ahead, p_behind, count, verdict):
    found = Estimate((low + high) / 2, low, high, count=count, margin=0.01, p_ahead=p_ahead, p_behind=p_behind)
    assert found.verdict == verdict
    assert verdict in VERDICTS


def test_equivalence_is_adjusted_for_the_pairs():
    numbers = dict(count=10, margin=0.01, p_ahead=0.02, p_behind=0.0)
    assert Estimate(0.0, -0.01, 0.01, **numbers).verdict == "equivalent"
    assert Estimate(0.0, -0.01, 0.01, pairs=3, **numbers).verdict == "undecided"


def test_an_estimate_without_a_margin_is_never_equivalent():
    assert Estimate(0.0, 0.0, 0.0, count=3).verdict == "undecided"
    assert Estimate(0.02, 0.01, 0.03, count=3).verdict == "ahead"  # its count may be images


def test_the_verdict_is_text():
    found = Estimate(0.02, 0.01, 0.03)
    assert json.dumps({"verdict": found.verdict}) == '{"verdict": "ahead"}'
    assert type(found.verdict) is str
    assert repr(copy.deepcopy(found)) == repr(pickle.loads(pickle.dumps(found))) == repr(found)
    assert copy.deepcopy(found.verdict) == "ahead"
    assert Estimate(**asdict(found)).verdict == "ahead"
    assert math.isnan(found.margin)
