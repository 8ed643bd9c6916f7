"""Values as JSON that every reader accepts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


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
