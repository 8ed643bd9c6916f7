"""How long work reports its progress: a stage with a count, or a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[int, int], None]  # (items done, items in all)
StepProgress = Callable[[str, int, int], None]  # (what is done now, steps done, steps in all)
Notify = Callable[[str], None]  # a line that a user should know


def make_image_progress(progress: StepProgress | None, text: str, steps: int, of_steps: int) -> Progress | None:
    """Return a callable that reports images while the number of steps stands still; None for None.

    >>> make_image_progress(print, "test", 8, 8)(3, 20)
    test image 3 of 20 8 8
    """
    if progress is None:
        return None
    return lambda done, total: progress(f"{text} image {done} of {total}", steps, of_steps)


class Reporter(Protocol):
    """What a study reports to. Any object with these two methods serves."""

    def start(self, stage: str) -> Progress:
        """Begin a stage; return the function that is called with (done, total) while it goes on."""

    def log(self, line: str, style: str = "") -> None:
        """Report one line; ``style`` is a colour of rich, or empty."""


class Silent:
    """Report nothing."""

    def start(self, stage: str) -> Progress:
        return lambda done, total: None

    def log(self, line: str, style: str = "") -> None:
        pass


class Terminal:
    """Report on stderr: a bar for each stage in a terminal, else a line for each quarter of a stage."""

    def __init__(self, console: Console | None = None):
        from rich import progress as bars
        from rich.console import Console

        self.console = console or Console(stderr=True, soft_wrap=True)
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    @contextmanager
    def running(self) -> Iterator[Terminal]:
        """Show the bars while the block runs."""
        with self._bars:
            yield self

    def start(self, stage: str) -> Progress:
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
