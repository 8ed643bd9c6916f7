"""What the tests of killed workers call in them. A worker imports this module alone: no test framework, no studies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

LONG = 60  # seconds; a call that waits so long is killed


def wait(x: int) -> int:
    time.sleep(0.3)
    return x


def kill_server_once(folder: str, x: int) -> int:
    marker = Path(folder) / "killed"
    if x == 1 and not marker.exists():
        marker.touch()
        kill_server(x)
    return x


def kill_server(x: int) -> int:
    if x == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(LONG)
    return x


def kill_itself_once(folder: str, x: int) -> int:
    marker = Path(folder) / "killed"
    if x == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def write_pid(folder: str, x: int) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(LONG * x)
