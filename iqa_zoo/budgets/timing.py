"""Time functions in turn, so that a machine that slows down for a while slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from iqa_zoo.progress import Progress

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def time_in_turn(
    jobs: Sequence[Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    progress: Progress | None = None,
) -> list[list[float]]:
    """Return the seconds of each job, one value per round.

    Args:
        jobs: called one after the other in each round. A job on an accelerator must wait for its result.
        rounds: number of counted rounds.
        warm_up: number of rounds before them that are not counted.
        clock: returns seconds.
        progress: called with the rounds done and all rounds.

    >>> [len(seconds) for seconds in time_in_turn([list, dict], rounds=3)]
    [3, 3]
    """
    seconds: list[list[float]] = [[] for _ in jobs]
    for number in range(warm_up + rounds):
        for job, counted in zip(jobs, seconds, strict=True):
            start = clock()
            job()
            elapsed = clock() - start
            if number >= warm_up:
                counted.append(elapsed)
        if progress:
            progress(number + 1, warm_up + rounds)
    return seconds
