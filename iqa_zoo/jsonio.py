"""Values as JSON that every reader accepts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iqa_zoo import __version__
from iqa_zoo.errors import InputError, IqaZooError


def to_json(value: Any, indent: int | None = None) -> str:
    r"""Return a value as JSON at full precision, with null where a number is not finite: JSON has no nan or infinity.

    File names that are not UTF-8 are written as ``\udce9``, which :func:`json.loads` reads back.

    >>> to_json({"srocc": float("nan"), "scores": [0.1 + 0.2, float("inf")]})
    '{"srocc": null, "scores": [0.30000000000000004, null]}'
    """
    return json.dumps(without_nan(value), indent=indent, allow_nan=False)


def without_nan(value: Any) -> Any:
    """Return a value with None in the place of every number that is not finite.

    >>> without_nan({"srocc": float("nan"), "scores": [1.0, float("inf")]})
    {'srocc': None, 'scores': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def reading_values(values: Mapping[str, Any], path: Path | None = None) -> Iterator[None]:
    """Around what is made of results that may come from disk: wrong values in them are one line.

    Raises:
        InputError: a value is missing or of the wrong kind; names the version that wrote the results and this one.
    """
    try:
        yield
    except IqaZooError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        versions = values.get("versions")
        writer = versions.get("iqa_zoo", "?") if isinstance(versions, Mapping) else "?"
        raise InputError(
            f"{path or 'the results'}: damaged or of another version (written by iqa_zoo {writer}, this is {__version__}): "
            f"{type(error).__name__}: {error}"
        ) from error
