"""Values that a part must refuse, from the annotation of its key."""

import math
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Union

from iqa_zoo.values import Range


def values_out_of_range(hint: Any) -> list[Any]:
    """Values just outside the range of an annotation, and far outside; of ``int`` without one, 0 and -1.

    >>> values_out_of_range(Annotated[int, Range(1, 64)])
    [0, 65, 18446744073709551616]
    >>> values_out_of_range(Sequence[int]), values_out_of_range(str)
    ([(0,), (-1,)], [])
    """
    return list(_values(hint))


def _values(hint: Any) -> Iterator[Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is int:
        yield from (0, -1)
    elif origin is Annotated:
        for span in (mark for mark in hint.__metadata__ if isinstance(mark, Range)):
            whole = arguments[0] is int
            yield from (span.low - 1, span.high + 1, 2**64) if whole else _beside(span)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _values(argument)
    elif origin is Sequence:
        yield from ((value,) for value in _values(arguments[0]))


def _beside(span: Range) -> tuple[float, ...]:
    return math.nextafter(span.low, -math.inf), math.nextafter(span.high, math.inf), math.nan, math.inf
