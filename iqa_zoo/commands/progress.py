"""Progress on stderr: a bar in a terminal; without one nothing, or a line now and then for a training."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iqa_zoo.progress import Progress, StepProgress

OFTEN = 30.0  # seconds between two lines about a training outside a terminal
SELDOM = 300.0  # seconds between two lines while images are tested
MEGABYTE = 10**6


@contextmanager
def _open_bar(text: str) -> Iterator[Callable[..., None]]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda **values: bar.update(task, **values)


@contextmanager
def progress_bar(text: str) -> Iterator[Progress | None]:
    """Show a progress bar on stderr; yield the function (done, total) that moves it, or None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with _open_bar(text) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def report_training(epochs: int) -> Iterator[StepProgress]:
    """Show a progress bar on stderr; where it is no terminal, at most four lines per epoch and few between epochs."""
    if sys.stderr.isatty() and is_first_process():
        with _open_bar("starting") as update:
            yield lambda text, done, total: update(description=text, completed=done, total=total)
        return
    began = reported_at = time.perf_counter()
    first = reported = last = None

    def report(text: str, done: int, total: int) -> None:
        nonlocal began, first, reported, reported_at, last
        now = time.perf_counter()
        if not done:
            began = now  # images are checked before the first step
        elif first is None:
            first = done
        quarter = 4 * epochs * done // total
        stands, last = done == last, done  # images are tested between two steps
        if (
            now - reported_at < SELDOM
            if stands
            else done < total and (quarter == reported or now - reported_at < OFTEN)
        ):
            return
        reported, reported_at = quarter, now
        left = (now - began) / (done - first + 1) * (total - done) if first else 0
        print_once(f"{text}, step {done} of {total}" + (f", about {format_duration(left)} left" if left else ""))

    yield report


@contextmanager
def report_bytes() -> Iterator[StepProgress]:
    """Show how many bytes of what is done now are done, and how fast; without a terminal, a line now and then on stderr."""
    if sys.stderr.isatty():
        with _open_byte_bar() as progress:
            yield progress
        return
    last, began, before, reported = "", 0.0, 0, 0.0

    def report(text: str, done: int, total: int) -> None:
        nonlocal last, began, before, reported
        now = time.perf_counter()
        if text != last:  # what was here before it began does not count for the rate
            last, began, before, reported = text, now, done, now
        if now - reported >= OFTEN or (done == total and now - began >= OFTEN):
            reported = now
            rate = (done - before) / max(now - began, 1e-9)
            print_once(f"{text}: {_format_bytes(done, total)}, {rate / MEGABYTE:,.1f} MB/s")

    yield report


@contextmanager
def _open_byte_bar() -> Iterator[StepProgress]:
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, bars.TaskID] = {}

        def report(text: str, done: int, total: int) -> None:
            if text not in tasks:
                for task in tasks.values():
                    bar.remove_task(task)
                tasks.clear()
                tasks[text] = bar.add_task(text, total=None)
            bar.update(tasks[text], completed=done, total=total or None)

        yield report


def _format_bytes(done: int, total: int) -> str:
    of = f" of {total / MEGABYTE:,.1f}" if total else ""
    return f"{done / MEGABYTE:,.1f}{of} MB"


def print_once(text: str) -> None:
    """Print a line on stderr, in the first process only."""
    if is_first_process():
        print(f"iqa-zoo: {text}", file=sys.stderr, flush=True)


def is_first_process() -> bool:
    """Return whether this process prints for all processes of torchrun."""
    return os.environ.get("RANK", "0") == "0"


def format_duration(seconds: float) -> str:
    """Format a time.

    >>> [format_duration(each) for each in (4.2, 95, 7260)]
    ['4 s', '1 min 35 s', '2 h 1 min']
    """
    whole_seconds = round(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    minutes, rest = divmod(whole_seconds, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
