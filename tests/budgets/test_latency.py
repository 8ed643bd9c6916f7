"""Matching by measured time: on a clock that is made up, so that nothing here depends on the machine."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo import build_model, match_budget
from iqa_zoo.budgets import latency as module
from iqa_zoo.budgets import measure_latency
from iqa_zoo.budgets.budget import format_latency
from iqa_zoo.budgets.latency import FINAL_ROUNDS, MOST, _choose_next, build_timed_decoder
from iqa_zoo.budgets.report import format_notes
from iqa_zoo.errors import BudgetError

from .test_match import DEIQT, LIFEIQA

NOISE = (1.0, 1.02, 0.99, 1.5, 0.98)  # the median of five in a row is 1


def made_up(timed) -> float:
    """A fixed time, some a block, and some a parameter."""
    decoder = timed.decoder
    return 1e-3 + 1e-3 * len(decoder.interactions) + 1e-9 * sum(p.numel() for p in decoder.parameters())


@pytest.fixture
def clock(monkeypatch):
    """Every timed decoder, in order."""
    seen = []
    noise = itertools.cycle(NOISE)

    def time_one(timed):
        seen.append(timed.decoder)
        return made_up(timed) * next(noise)

    def time_in_turn(decoders, rounds):
        times = [[time_one(timed) for timed in decoders] for _ in range(rounds + 1)]
        return list(zip(*times[1:], strict=True))  # the first round warms up

    monkeypatch.setattr(module, "time_in_turn", time_in_turn)
    return seen


def takes(cfg) -> float:
    return made_up(build_timed_decoder(cfg))


@pytest.mark.slow
@pytest.mark.parametrize(("cfg", "to"), [(DEIQT, LIFEIQA), (LIFEIQA, DEIQT)])
def test_each_takes_as_long_as_the_other(clock, cfg, to):
    matched, budget = match_budget(cfg, to, by="latency", tolerance=0.1)
    assert takes(matched) == pytest.approx(takes(to), rel=0.1)
    assert budget.latency.seconds == pytest.approx(takes(matched), rel=0.03)
    assert budget.latency.target == pytest.approx(takes(to), rel=0.03)
    assert budget.latency.rounds == FINAL_ROUNDS
    assert budget.latency.threads == torch.get_num_threads()
    assert 1 < budget.latency.tried <= MOST
    assert "depth" in budget.moved
    assert matched["backbone"] == cfg["backbone"]


@pytest.mark.slow
def test_a_width_is_enough_where_it_is(clock):
    matched, budget = match_budget(DEIQT, 1.1 * takes(DEIQT), by="latency")
    assert list(budget.moved) == ["interactions.2.hidden"]
    assert takes(matched) == pytest.approx(1.1 * takes(DEIQT), rel=0.05)
    assert budget.latency.target == 1.1 * takes(DEIQT)
    assert budget.latency.tried <= 6  # interpolated: a width has thousands of values


@pytest.mark.slow
def test_what_is_compared_is_timed_in_turn(clock):
    match_budget(DEIQT, DEIQT, by="latency")
    one, other = clock[:2]
    assert one is not other
    assert clock[:20] == [one, other] * 10


@pytest.mark.slow
def test_itself_needs_no_move(clock):
    matched, budget = match_budget(DEIQT, build_model(DEIQT), by="latency")
    assert (matched, budget.moved) == (DEIQT | {"interactions": matched["interactions"]}, {})
    assert budget.latency.tried == 1
    assert budget.to_dict()["latency"]["seconds"] == budget.latency.seconds
    assert format_latency(budget.latency) in format_notes({"it": budget})
    again = match_budget(DEIQT, budget, by="latency")[1]
    assert again.latency.target == budget.latency.seconds


@pytest.mark.slow
def test_a_single_fast_measurement_is_not_accepted(clock, monkeypatch):
    """The first measurement may be off; the result is timed again with more rounds and stays within the tolerance."""
    target = 2 * takes(DEIQT)
    honest, calls = module.time_in_turn, []

    def time_in_turn(decoders, rounds):
        calls.append(rounds)
        return [[target] * rounds] if len(calls) == 1 else honest(decoders, rounds)

    monkeypatch.setattr(module, "time_in_turn", time_in_turn)
    matched, budget = match_budget(DEIQT, target, by="latency")
    assert budget.moved
    assert takes(matched) == pytest.approx(target, rel=0.05)


def test_out_of_reach(clock):
    with pytest.raises(BudgetError, match=r"within 5\.00% of 1e\+06 ms of latency .*the closest is .* ms .*noisy"):
        match_budget(DEIQT, 1000.0, by="latency", knobs=["depth"])


def test_bad_arguments():
    with pytest.raises(BudgetError, match="positive number of seconds, got -1"):
        match_budget(DEIQT, -1, by="latency")
    with pytest.raises(BudgetError, match="positive number of seconds, got inf"):
        match_budget(DEIQT, math.inf, by="latency")
    with pytest.raises(BudgetError, match="scope='model': leave scope out"):
        match_budget(DEIQT, 1.0, by="latency", scope="model")
    with pytest.raises(BudgetError, match="no measured latency"):
        match_budget(DEIQT, match_budget(DEIQT, DEIQT)[1], by="latency")
    with pytest.raises(BudgetError, match="rounds is a positive number .* got 0"):
        measure_latency({"it": DEIQT}, rounds=0)


def test_measured_on_the_real_clock():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    times = measure_latency({"one": DEIQT, "two": LIFEIQA}, rounds=3)
    assert torch.equal(state, torch.get_rng_state())
    assert list(times) == ["one", "two"]
    for latency in times.values():
        assert 0 < latency.spread[0] <= latency.seconds <= latency.spread[1]


@pytest.mark.slow
@given(st.integers(2, 10**4), st.floats(0.01, 0.99), st.floats(1.01, 100))
def test_interpolation_stays_between_and_ends(last, low, high):
    def ratio(place: int) -> float:
        return low + (high - low) * (place / last) ** 2

    points = {0: ratio(0), last: ratio(last)}
    for _ in range(200):
        place = _choose_next(points)
        if place is None:
            break
        assert 0 < place < last
        assert place not in points
        points[place] = ratio(place)
        if abs(points[place] - 1) < 1e-3:
            break
    assert max((p for p, r in points.items() if r <= 1), default=0) <= min(p for p, r in points.items() if r >= 1)
