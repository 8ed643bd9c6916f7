"""Timing in turn, on a clock that counts its calls."""

import itertools

import pytest

from iqa_zoo.budgets.timing import time_in_turn


@pytest.mark.parametrize("warm_up", [0, 1, 2])
def test_jobs_take_turns_and_the_warm_up_is_not_counted(warm_up):
    log, ticks, clock = [], [], itertools.count()
    jobs = [lambda: log.append("a"), lambda: log.append("b")]
    seconds = time_in_turn(
        jobs, 3, warm_up=warm_up, clock=lambda: float(next(clock)), progress=lambda *done: ticks.append(done)
    )
    assert log == ["a", "b"] * (3 + warm_up)
    assert seconds == [[1.0] * 3, [1.0] * 3]
    assert ticks == [(number + 1, 3 + warm_up) for number in range(3 + warm_up)]


def test_each_job_has_its_own_seconds():
    now = [0.0]

    def spend(seconds):
        now[0] += seconds

    times = time_in_turn([lambda: spend(2.0), lambda: spend(5.0)], 2, clock=lambda: now[0])
    assert times == [[2.0, 2.0], [5.0, 5.0]]
