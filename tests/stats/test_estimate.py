"""The verdict on an estimate."""

from iqa_zoo.stats.estimate import Estimate


def test_verdict_names_the_model_ahead():
    assert Estimate(-0.02, -0.03, -0.01, 0.01, 10).verdict("a", "b") == "b ahead by 0.020 [0.010, 0.030]"
    nothing = float("nan")
    undefined = Estimate(nothing, nothing, nothing, nothing, 10)
    assert not undefined.is_defined
    assert not undefined.is_undecided
    assert undefined.verdict("a", "b") == "undefined"
    assert not undefined.is_decided
    assert Estimate(0.02, 0.01, 0.03).is_decided
    assert not Estimate(0.02, 0, 0.04).is_decided
