"""The scale that labels are trained in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.errors import InputError


@dataclass(frozen=True)
class LabelScale:
    """How labels enter the loss and scores leave the model: score * spread + center is on the labels' scale."""

    center: float = 0.0
    spread: float = 1.0


def fit_label_scale(mos: NDArray[np.float64], name: str) -> LabelScale:
    """Return the scale in which training labels have mean 0 and deviation 1 (of the population, as numpy computes it).

    Args:
        mos: the labels of the training part alone.
        name: of the dataset, for the error.

    Raises:
        InputError: all labels are the same, so that there is nothing to learn.

    >>> fit_label_scale(np.array([1.0, 3.0]), "photos")
    LabelScale(center=2.0, spread=1.0)
    """
    low, high = mos.min(), mos.max()
    spread = float(mos.std())
    if low == high or not spread:  # the deviation of equal labels may be off zero by rounding
        raise InputError(f"{name}: all training labels are {low:g}; there is nothing to learn")
    return LabelScale(float(mos.mean()), spread)
