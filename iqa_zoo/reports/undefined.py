"""Why a metric of a record is undefined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def why_undefined(record: Mapping[str, Any]) -> str:
    """Why the SROCC of a record is undefined.

    >>> why_undefined(dict(predictions={"a.png": 3.0, "b.png": 3.0}))
    'all scores are equal'
    """
    scores = set(record.get("predictions", {}).values())
    if not scores:
        return "all scores or all labels are equal"
    return "all scores are equal" if len(scores) == 1 else "all labels are equal"
