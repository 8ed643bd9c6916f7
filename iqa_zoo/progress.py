"""How long work reports its progress: a stage with a count, or a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Tick = Callable[[int, int], None]  # (done, total)


class Reporter(Protocol):
    """What a study reports to. Any object with these two methods serves."""

    def start(self, stage: str) -> Tick:
        """Begin a stage; return the function that is called with (done, total) while it goes on."""

    def log(self, line: str, style: str = "") -> None:
        """Report one line; ``style`` is a colour of rich, or empty."""


class Silent:
    """Report nothing."""

    def start(self, stage: str) -> Tick:
        return lambda done, total: None

    def log(self, line: str, style: str = "") -> None:
        pass


class Terminal:
    """Report on stderr: a bar for each stage in a terminal, else a line for each quarter of a stage."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    @contextmanager
    def running(self) -> Iterator[Terminal]:
        """Show the bars while the block runs."""
        with self._bars:
            yield self

    def start(self, stage: str) -> Tick:
        task, started, shown = self._bars.add_task(stage, total=None), time.perf_counter(), -1

        def tick(done: int, total: int) -> None:
            nonlocal shown
            self._bars.update(task, completed=done, total=total)
            quarter = 4 * done // max(total, 1)
            if not self.console.is_terminal and quarter > shown:
                shown = quarter
                self.log(f"{stage}: {done} of {total}, {time.perf_counter() - started:.0f} s")

        return tick

    def log(self, line: str, style: str = "") -> None:
        self.console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)
