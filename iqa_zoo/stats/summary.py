"""Median and quartiles of a metric over splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.errors import InputError


def is_defined(value: float | None) -> bool:
    """Whether a metric has a value. SROCC of scores that are all equal has none: nan in memory, null in JSON.

    >>> is_defined(0.0), is_defined(float("nan")), is_defined(None)
    (True, False, False)
    """
    return value is not None and math.isfinite(value)


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a metric over the splits on which it is defined; nan where it is defined on none.

    Attributes:
        median, q1, q3: of the defined values.
        undefined: on how many splits the metric is not defined.
    """

    median: float
    q1: float
    q3: float
    undefined: int = 0


def summarize_values(values_S: Sequence[float | None] | NDArray[np.float64]) -> Spread:
    """Median and quartiles over splits (linear interpolation) of the values that are defined.

    Raises:
        InputError: no value at all.

    >>> summarize_values([0.5, 1.0, 0.75])
    Spread(median=0.75, q1=0.625, q3=0.875, undefined=0)
    >>> summarize_values([0.5, float("nan"), None]).median
    0.5
    """
    values = np.asarray(values_S, dtype=np.float64)  # None becomes nan
    if values.ndim != 1 or not len(values):
        raise InputError(f"values of shape {values.shape}; give one number a split")
    defined = values[np.isfinite(values)]
    if not len(defined):
        return Spread(math.nan, math.nan, math.nan, len(values))
    q1, median, q3 = np.quantile(defined, [0.25, 0.5, 0.75]).tolist()
    return Spread(median, q1, q3, len(values) - len(defined))
