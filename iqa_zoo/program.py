"""What every command does around its work: text that any terminal takes, and one line for whatever ends it."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from iqa_zoo.errors import IqaZooError

WRONG_INPUT, READER_GONE, INTERRUPTED, TERMINATED = 2, 1, 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM: the work ends as it does with Ctrl-C."""


def run_program(work: Callable[[], int], report: Callable[[str], None]) -> int:
    """Do the work and return the exit code of the process.

    Errors about what the user gave, interrupts and a standard output that cannot be written are one message each. Any
    other exception is a bug and keeps its traceback.

    Args:
        work: returns an exit code. An interrupt may carry a message that says what is kept.
        report: prints one message on stderr.
    """
    _open_closed_streams()
    escape_unencodable()
    try:
        with _terminating():
            code = work()
            sys.stdout.flush()
    except IqaZooError as error:
        report(str(error))
        return WRONG_INPUT
    except BrokenPipeError:  # the reader of a pipe (head) has seen enough
        _discard_stdout()
        return READER_GONE
    except KeyboardInterrupt as interrupt:
        report("; ".join(["interrupted", *map(str, interrupt.args)]))
        return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
    except OSError as error:
        if error.filename is not None or _stdout_works():
            raise
        _discard_stdout()
        report(f"the standard output cannot be written ({error.strerror})")
        return WRONG_INPUT
    return code


def _open_closed_streams() -> None:
    """Send to nowhere what is printed on a stream that the caller closed (``>&-``), which Python makes None.

    What is printed on a stderr of None would appear on stdout, in the middle of its JSON.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def escape_unencodable() -> None:
    """Let stdout and stderr write what their encoding lacks, and file names that are not UTF-8, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _terminating() -> Iterator[None]:
    """Make SIGTERM raise :class:`Terminated`, so that workers and temporary files end with the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a forked child ends as it would without this
            os._exit(TERMINATED)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stdout_works() -> bool:
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return False
    return True


def _discard_stdout() -> None:
    """Send what is still buffered to nowhere, or the interpreter would complain of it as it ends."""
    stdout: TextIO = sys.stdout
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
