"""What the figures of explanations share: maps of attention, matrices with their numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

COLOURS = "cividis"
DIVERGING = "PuOr"
SHOWN = 8  # queries beside the mean
NUMBERED = 12  # cells a side up to which each shows its number


def grey(image_HWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The luma of an image, 0 to 1.

    >>> grey(np.full((1, 1, 3), 255, np.uint8)).round(6).tolist()
    [[1.0]]
    """
    luma_HW: NDArray[np.float64] = image_HWC @ np.array([0.299, 0.587, 0.114]) / 255
    return luma_HW


def bare(axes: Axes) -> None:
    """No ticks and no frame: a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def draw_attention(
    axes: Axes,
    weights_HW: NDArray[np.float64],
    span: tuple[float, float],
    *,
    under_HW: NDArray[np.float64] | None = None,
    title: str = "",
) -> AxesImage:
    """Weights in percent on their grid, colours over ``span``, over a grey picture where one is given."""
    bare(axes)
    side = (1, 1) if under_HW is None else under_HW.shape
    extent = (0, side[1], side[0], 0)
    if under_HW is not None:
        axes.imshow(under_HW, cmap="gray", vmin=0, vmax=1, extent=extent)
    alpha = 1.0 if under_HW is None else 0.6
    shown = axes.imshow(
        100 * weights_HW, cmap=COLOURS, vmin=span[0], vmax=span[1], alpha=alpha, extent=extent, interpolation="nearest"
    )
    axes.set_title(title, fontsize=8)
    return shown


def from_zero(weights_NL: NDArray[np.float64]) -> tuple[float, float]:
    """Colours from 0 to the most, in percent, or to twice an even share: even attention is the middle of the scale.

    >>> from_zero(np.array([[0.25, 0.25, 0.25, 0.25]])), from_zero(np.array([[0.75, 0.25, 0.0, 0.0]]))
    ((0.0, 50.0), (0.0, 75.0))
    """
    return 0.0, 100 * max(float(weights_NL.max()), 2 / weights_NL.shape[1])


def least_to_most(weights_NL: NDArray[np.float64]) -> tuple[float, float]:
    """Colours from the least to the most, in percent: shows where attention lies that is nearly even."""
    return 100 * float(weights_NL.min()), 100 * float(weights_NL.max())


def draw_matrix(
    axes: Axes,
    values: NDArray[np.float64],
    *,
    low: float,
    high: float,
    title: str = "",
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    form: str = ".2f",
    cmap: str = COLOURS,
) -> AxesImage:
    """A matrix as coloured cells, each with its number where they are few."""
    shown = axes.imshow(values, cmap=cmap, vmin=low, vmax=high, aspect="auto")
    if max(values.shape[1], 1) <= NUMBERED:
        for (i, j), value in np.ndenumerate(values):
            red, green, blue, _ = shown.to_rgba(np.array([value]))[0]
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            axes.text(
                j, i, format(value, form), ha="center", va="center", fontsize=7, color="white" if dark else "black"
            )
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xticks(range(values.shape[1]), columns or list(map(str, range(1, values.shape[1] + 1))), fontsize=7)
    axes.set_yticks(range(values.shape[0]), rows or list(map(str, range(1, values.shape[0] + 1))), fontsize=7)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=8)
    return shown


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` positions of ``count``, evenly spread, the first and last among them.

    >>> spread(3, 4), spread(12, 4)
    ([0, 1, 2], [0, 4, 7, 11])
    """
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))}) if count else []
