"""Time commands that train nothing, and a match of budgets, each in a new process beside one that is named.

    python benchmarks/startup.py

Ratios are CPU seconds over those of the process beside: ``python -c pass`` for a command, ``import torch`` for a match. The
processes take turns, so that a machine that slows down for a while slows all.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COMMANDS = ("list", "--help", "--version", "compare --help", "score --help", "data list", "lst")
MATCH = "import torch; from iqa_zoo import match_budget; match_budget({model!r}, 60_000_000)"


@dataclass(frozen=True)
class Start:
    """CPU seconds of one process in every round, and of the process that it is compared with."""

    name: str
    seconds: list[float]
    beside: str
    beside_seconds: list[float]

    @property
    def ratio(self) -> float:
        """Median over median."""
        return statistics.median(self.seconds) / statistics.median(self.beside_seconds)


def measure_startup(rounds: int = 5, commands: Sequence[str] = COMMANDS) -> list[Start]:
    """Time commands of ``iqa-zoo`` beside an interpreter that does nothing."""
    return _measure({each: ["-m", "iqa_zoo.cli", *each.split()] for each in commands}, "pass", rounds)


def measure_matching(rounds: int = 5, models: Sequence[str] = ("lifeiqa", "vanilla_decoder")) -> list[Start]:
    """Time a match of a Swin-B model's decoder to 60 million parameters beside the import of torch, which it contains."""
    return _measure({f"match {each}": ["-c", MATCH.format(model=each)] for each in models}, "import torch", rounds)


def _measure(jobs: Mapping[str, Sequence[str]], beside: str, rounds: int) -> list[Start]:
    found: dict[str, list[float]] = {name: [] for name in (beside, *jobs)}
    for _ in range(rounds):
        for name, arguments in {beside: ["-c", beside], **jobs}.items():
            found[name].append(_time(arguments))
    return [Start(name, found[name], beside, found[beside]) for name in jobs]


def _time(arguments: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    for each in [*measure_startup(), *measure_matching()]:
        print(f"{each.name:24} {statistics.median(each.seconds):.3f} s of CPU, {each.ratio:.1f} times {each.beside}")


if __name__ == "__main__":
    main()
