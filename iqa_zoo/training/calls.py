"""A call that may fail, wherever it runs."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from iqa_zoo.errors import IqaZooError

TRIES = 2
Call = tuple[Any, ...]


@dataclass(frozen=True)
class Failure:
    """A call that failed every time: the first line of its last error, and the traceback."""

    error: str
    trace: str = ""


def describe_failure(error: BaseException) -> Failure:
    """Return the first line of an exception and its traceback; errors of this package have no traceback."""
    lines = str(error).splitlines() or [""]
    trace = "" if isinstance(error, IqaZooError) else "".join(traceback.format_exception(error))
    return Failure(f"{type(error).__name__}: {lines[0]}", trace)


def try_call(function: Callable[..., Any], call: Call) -> Any:
    for _ in range(TRIES):
        try:
            return function(*call)
        except Exception as error:
            failed = describe_failure(error)
    return failed


def run_on_one_thread(function: Callable[..., Any], *call: Any) -> Any:
    """Run a call in a process that is its own, so that results do not depend on the number of cores."""
    torch.set_num_threads(1)
    return try_call(function, call)
