"""The check that parts share: a size is at least one."""

from __future__ import annotations

from collections.abc import Sequence

from iqa_zoo.errors import PartError


def require_positive(**sizes: int | Sequence[int]) -> None:
    """Raise where a size, or one of several, is below one.

    Raises:
        PartError: names the argument.

    >>> require_positive(hidden=(192, 0))
    Traceback (most recent call last):
    iqa_zoo.errors.PartError: hidden=(192, 0) is not positive
    """
    for name, size in sizes.items():
        if any(one < 1 for one in (size if isinstance(size, Sequence) else (size,))):
            raise PartError(f"{name}={size} is not positive")
