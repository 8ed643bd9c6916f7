"""A row: what is timed, against what, and how the ratio of the two is summarized."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from iqa_zoo.budgets.timing import CLOCKS, time_in_turn
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter

Kind = Literal["speed", "cost", "seconds"]
DIRECTIONS = {"speed": "at least", "cost": "at most", "seconds": "at most"}  # of the limit


@dataclass(frozen=True)
class Setup:
    """What all rows share.

    Attributes:
        quick: measure the smallest case once, to see that it works.
        cores: that this process may use.
        scratch: an empty folder.
        progress: what is reported to.
        rounds: that are timed; None for the usual number of the row.
        root: folder of LIVEC with its photographs; None where there is none.
        clock: returns seconds.
    """

    quick: bool
    cores: int
    scratch: Path
    progress: Reporter
    rounds: int | None = None
    root: Path | None = None
    clock: Callable[[], float] = CLOCKS["wall"]

    def choose(self, quick: int, full: int) -> int:
        """Return the size of the quick case or of the full one."""
        return quick if self.quick else full

    def count_rounds(self, usual: int) -> int:
        return self.rounds or self.choose(1, usual)

    def time(self, name: str, jobs: Sequence[Callable[[], object]], rounds: int, warm_up: int = 1) -> list[list[float]]:
        """Return the seconds of each job, one value per round; the jobs take turns."""
        progress = self.progress.start(name)
        return time_in_turn(jobs, self.count_rounds(rounds), warm_up=warm_up, clock=self.clock, progress=progress)


@dataclass(frozen=True)
class Timed:
    """The seconds of each round, of what is measured and of what it is compared with, and further numbers by name."""

    ours: list[float]
    reference: list[float]
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A measurement.

    Attributes:
        name: as ``--only`` takes it.
        what: is timed.
        against: is timed in turn with it.
        kind: of the ratio: ``speed`` is the reference's seconds over ours, ``cost`` ours over the reference's; so is ``seconds``,
            where the limit is on our seconds.
        limit: what is aimed at; None for nothing.
        minutes: that it takes on two cores, about.
        measure: times both.
    """

    name: str
    what: str
    against: str
    kind: Kind
    limit: float | None
    minutes: float
    measure: Callable[[Setup], Timed]


@dataclass(frozen=True)
class Quartiles:
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """The result of a row."""

    row: Row
    timed: Timed

    @property
    def ratios(self) -> list[float]:
        """The ratio of each round."""
        pairs = zip(self.timed.ours, self.timed.reference, strict=True)
        return [reference / ours if self.row.kind == "speed" else ours / reference for ours, reference in pairs]

    @property
    def holds(self) -> bool | None:
        """Whether the median keeps to the limit; None without one."""
        if self.row.limit is None:
            return None
        if self.row.kind == "speed":
            return find_quartiles(self.ratios).median >= self.row.limit
        return find_quartiles(self.timed.ours if self.row.kind == "seconds" else self.ratios).median <= self.row.limit


def find_quartiles(values: Sequence[float]) -> Quartiles:
    """Return the median and the quartiles.

    >>> find_quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    Quartiles(median=3.0, low=2.0, high=4.0)
    """
    low, median, high = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    return Quartiles(median, low, high)


def run_python(*words: str, cache: Path | None = None) -> str:
    """Run Python with these words in a process of its own and return what it prints.

    Raises:
        InputError: it fails; has the end of its messages.
    """
    environment = {**os.environ, **({"IQA_ZOO_CACHE": str(cache)} if cache else {})}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{' '.join(words)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def run_cli(*words: str, cache: Path | None = None) -> str:
    """Run a command of iqa-zoo in a process of its own and return what it prints."""
    return run_python("-m", "iqa_zoo.cli", *words, cache=cache)
