"""The types and ranges of config keys, recipes and options, and whether a value fits an annotation."""

import collections.abc
import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, ParamSpec, Union

from iqa_zoo.errors import PartError, closest

P = ParamSpec("P")


@dataclass(frozen=True)
class PartOf:
    """In an annotation, the slot whose parts a config key holds: such a key is checked, completed, overridden and built like
    a slot. Its value is a list of configs in the config, and of the parts built from them in the constructor."""

    slot: str


@dataclass(frozen=True)
class Range:
    """In an annotation, the least and the greatest number that a config key takes: ``Annotated[int, Range(1, 64)]``.

    A config whose value lies outside is refused before anything is built; with :func:`checked` the constructor
    refuses it too. Elements of a list have the range of their own annotation, ``Sequence[Size]``.

    >>> 0.5 in Range(0, 1), 2 in Range(0, 1), float("nan") in Range(0, 1)
    (True, False, False)
    """

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        low, high = (str(bound) if isinstance(bound, int) else f"{bound:g}" for bound in (self.low, self.high))
        return f"from {low} to {high}"


# The ranges that most keys have. The upper bounds are far above what models use and below what no machine can run.
Size = Annotated[int, Range(1, 65_536)]  # channels, the width of a layer
Width = Annotated[int, Range(1, 2**24)]  # the model width D, which may be a product of channels
Count = Annotated[int, Range(1, 4_096)]  # queries, heads, experts
Depth = Annotated[int, Range(1, 256)]  # layers
Grid = Annotated[int, Range(1, 64)]  # cells per side
Pixels = Annotated[int, Range(1, 16_384)]  # height or width of an image
Share = Annotated[float, Range(0, 1)]  # a probability, as of dropout
Scale = Annotated[float, Range(-1_000_000, 1_000_000)]  # a factor that may be 0
Positive = Annotated[float, Range(1e-9, 1e9)]  # a number that is divided by

# What a part that is made of several backbones takes: ``branches: Sequence[NestedBackbone]``.
NestedBackbone = Annotated[Any, PartOf("backbone")]


def slot_inside(hint: Any) -> str | None:
    """The slot of the parts that a key with this annotation holds a list of; None where it holds none.

    >>> slot_inside(collections.abc.Sequence[NestedBackbone]), slot_inside(list[int])
    ('backbone', None)
    """
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is not collections.abc.Sequence or not arguments:
        return None
    marks = getattr(arguments[0], "__metadata__", ())
    return next((mark.slot for mark in marks if isinstance(mark, PartOf)), None)


def value_problem(value: Any, hint: Any) -> str | None:
    """What is wrong with a value under an annotation, or None.

    >>> value_problem("adam", Literal["adam", "adamw"]), value_problem(1.5, int)
    (None, 'expected int, got 1.5')
    >>> value_problem([8, 0], collections.abc.Sequence[Annotated[int, Range(1, 64)]])
    'expected list of int from 1 to 64, got [8, 0]'
    """
    if _fits(value, hint):
        return None
    near = closest(value, typing.get_args(hint)) if typing.get_origin(hint) is Literal else ""
    return f"expected {annotation_in_words(hint)}, got {_shortened(value)}{near}"


def annotation_in_words(hint: Any) -> str:
    """An annotation in words.

    >>> annotation_in_words(Annotated[float, Range(0, 1)] | None)
    'float from 0 to 1 or None'
    """
    if slot := slot_inside(hint):
        return f"list of {slot} parts, dict(type=NAME, ...) each"
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        spans = "".join(f" {mark}" for mark in hint.__metadata__ if isinstance(mark, Range))
        return annotation_in_words(arguments[0]) + spans
    if origin in (Union, types.UnionType):
        return " or ".join(map(annotation_in_words, arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if hint is types.NoneType:
        return "None"
    if origin in (list, collections.abc.Sequence):
        return f"list of {annotation_in_words(arguments[0])}"
    return hint.__name__ if inspect.isclass(hint) and not arguments else str(hint).replace("typing.", "")


def checked(constructor: Callable[P, None]) -> Callable[P, None]:
    """Let the constructor of a part raise a PartError for an argument outside the range that its annotation declares.

    A config is checked before anything is built, for parts with this decorator and without it; the decorator says the same
    to code that makes a part itself.

    >>> class Part:
    ...     @checked
    ...     def __init__(self, *, hidden: Annotated[int, Range(1, 64)] = 8): ...
    >>> Part(hidden=0)
    Traceback (most recent call last):
    iqa_zoo.errors.PartError: hidden: expected int from 1 to 64, got 0
    """

    @functools.wraps(constructor)
    def check(*args: P.args, **kwargs: P.kwargs) -> None:
        ranged = _ranged_hints(constructor)
        names = [*inspect.signature(constructor).parameters][: len(args)]
        for name, value in {**dict(zip(names, args, strict=True)), **kwargs}.items():
            if name in ranged and (problem := value_problem(value, ranged[name])):
                raise PartError(f"{name}: {problem}")
        constructor(*args, **kwargs)

    return check


def evaluated_hints(function: Any) -> dict[str, Any]:
    """The annotations of a function, evaluated; none where one exists for type checkers only."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        return {}


@functools.cache
def _ranged_hints(constructor: Any) -> dict[str, Any]:
    """The annotations that declare a range."""
    return {name: hint for name, hint in evaluated_hints(constructor).items() if _declares_range(hint)}


def _declares_range(hint: Any) -> bool:
    if any(isinstance(mark, Range) for mark in getattr(hint, "__metadata__", ())):
        return True
    return any(_declares_range(inner) for inner in typing.get_args(hint))


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value can be what an annotation says; unknown kinds of annotation accept anything."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty:
        return True
    if origin is Annotated:
        ranges = [mark for mark in hint.__metadata__ if isinstance(mark, Range)]
        return _fits(value, arguments[0]) and all(value in span for span in ranges)
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if hint is str:
        return isinstance(value, str)
    if origin in (list, tuple, collections.abc.Sequence):
        if not isinstance(value, list | tuple):
            return False
        if origin is tuple and Ellipsis not in arguments and len(arguments) != len(value):
            return False
        inner = [a for a in arguments if a is not Ellipsis]
        return all(_fits(item, inner[min(i, len(inner) - 1)]) for i, item in enumerate(value)) if inner else True
    if origin in (dict, collections.abc.Mapping):
        return isinstance(value, Mapping)
    return True


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False


def _shortened(value: Any) -> str:
    """A value as text, without the middle of a long one."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python prints
        return f"an int of {value.bit_length()} bits" if isinstance(value, int) else "a value too long to print"
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-50:]}"
