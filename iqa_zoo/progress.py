"""How long work reports its progress: callables that a caller passes in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (items done, items in all)
StepProgress = Callable[[str, int, int], None]  # (what is done now, steps done, steps in all)
Notify = Callable[[str], None]  # a line that a user should know
