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
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
