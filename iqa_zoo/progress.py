"""How long work reports its progress: callables that a caller passes in."""

from __future__ import annotations

from collections.abc import Callable

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
