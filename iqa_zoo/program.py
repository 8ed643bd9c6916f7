"""The frame of every command: text for any terminal, and a one-line message for errors and interrupts."""

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
    """SIGTERM, handled like Ctrl-C."""


def run_program(work: Callable[[], int], report: Callable[[str], None]) -> int:
    """Run the work and return the exit code of the process.

    User errors, interrupts and a failing standard output give one message each. Other exceptions are bugs and keep their
    traceback.

    Args:
        work: returns an exit code. An interrupt may carry a message on what is kept.
        report: prints one message to stderr.
    """
    _open_closed_streams()
    escape_unencodable()
    try:
        with _handle_sigterm():
            code = work()
            sys.stdout.flush()
    except IqaZooError as error:
        report(str(error))
        return WRONG_INPUT
    except BrokenPipeError:  # the reader of the pipe (such as head) has ended
        _discard_stdout()
        return READER_GONE
    except KeyboardInterrupt as interrupt:
        report("; ".join(["interrupted", *map(str, interrupt.args)]))
        return find_exit_code(interrupt)
    except OSError as error:
        if error.filename is not None or _stdout_works():
            raise
        _discard_stdout()
        report(f"the standard output cannot be written ({error.strerror})")
        return WRONG_INPUT
    return code


def find_exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of an interrupt: 143 after SIGTERM, otherwise 130."""
    return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


def _open_closed_streams() -> None:
    """Redirect closed streams (``>&-``), which are None in Python, to the null device.

    Otherwise messages for a closed stderr appear on stdout, inside its JSON.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def escape_unencodable() -> None:
    """Make stdout and stderr escape characters that their encoding lacks, and file names that are not UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _handle_sigterm() -> Iterator[None]:
    """Make SIGTERM raise :class:`Terminated`, so that workers and temporary files are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a forked child ends without this handler
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
    """Discard buffered output, so that the interpreter does not fail to flush it at exit."""
    stdout: TextIO = sys.stdout
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
