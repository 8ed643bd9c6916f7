"""Strict JSON."""

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
    r"""Format a value as JSON at full precision, with null for numbers that are not finite.

    File names that are not UTF-8 are written as ``\udce9``, which :func:`json.loads` reads back.

    >>> to_json({"srocc": float("nan"), "scores": [0.1 + 0.2, float("inf")]})
    '{"srocc": null, "scores": [0.30000000000000004, null]}'
    """
    return json.dumps(without_nan(value), indent=indent, allow_nan=False)


def without_nan(value: Any) -> Any:
    """Replace numbers that are not finite by None.

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
    """Convert errors from invalid values of stored results into one message.

    Raises:
        InputError: a value is missing or invalid; names the version that wrote the results, and this one.
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
