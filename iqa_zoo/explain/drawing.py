"""Drawing shared by the figures of explanations: attention maps and matrices with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from iqa_zoo.contracts import TokenGrid
from iqa_zoo.reports.plots import remove_frame

COLOURS = "cividis"
DIVERGING = "PuOr"
SHOWN = 8  # queries next to the mean
NUMBERED = 12  # columns up to which each cell shows its number


def compute_luma(image_HWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute the luma of an image, 0 to 1.

    >>> compute_luma(np.full((1, 1, 3), 255, np.uint8)).round(6).tolist()
    [[1.0]]
    """
    luma_HW: NDArray[np.float64] = image_HWC @ np.array([0.299, 0.587, 0.114]) / 255
    return luma_HW


def draw_attention(
    axes: Axes,
    weights_HW: NDArray[np.float64],
    span: tuple[float, float],
    *,
    under_HW: NDArray[np.float64] | None = None,
    title: str = "",
) -> AxesImage:
    """Draw weights in percent on their grid, with colours over ``span``, on top of a grey image if one is given."""
    remove_frame(axes)
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


def draw_attention_row(
    part: Any,
    row: Any,
    weights_NL: NDArray[np.float64],
    grid: TokenGrid,
    name: str,
    titles: Sequence[str] = (),
    under_HW: NDArray[np.float64] | None = None,
) -> None:
    """Draw the mean of the queries and each query as one row of a figure, with a common colour scale."""
    span = span_min_to_max(weights_NL) if under_HW is None else span_from_zero(weights_NL)
    for axes, weights_L, title in zip(row, [weights_NL.mean(0), *weights_NL], titles or [""] * len(row), strict=False):
        shown = draw_attention(axes, weights_L.reshape(grid.rows, grid.columns), span, under_HW=under_HW, title=title)
    row[0].set_ylabel(name, fontsize=8)
    part.colorbar(shown, ax=list(row), label="% of attention", shrink=0.9, pad=0.01).ax.tick_params(labelsize=7)


def set_heading(part: Any, text: str, size: int = 10) -> None:
    """Set the title of a figure or subfigure, aligned left."""
    part.suptitle(text, x=0.01, ha="left", fontsize=size)


def span_from_zero(weights_NL: NDArray[np.float64]) -> tuple[float, float]:
    """Span from 0 to the maximum in percent, at least twice an even share, so that even attention is mid-scale.

    >>> span_from_zero(np.array([[0.25, 0.25, 0.25, 0.25]])), span_from_zero(np.array([[0.75, 0.25, 0.0, 0.0]]))
    ((0.0, 50.0), (0.0, 75.0))
    """
    return 0.0, 100 * max(float(weights_NL.max()), 2 / weights_NL.shape[1])


def span_min_to_max(weights_NL: NDArray[np.float64]) -> tuple[float, float]:
    """Span from minimum to maximum in percent, which shows small differences."""
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
) -> AxesImage:
    """Draw a matrix as coloured cells, with numbers if there are few columns."""
    shown = axes.imshow(values, cmap=COLOURS, vmin=low, vmax=high, aspect="auto")
    if max(values.shape[1], 1) <= NUMBERED:
        for (i, j), value in np.ndenumerate(values):
            red, green, blue, _ = shown.to_rgba(np.array([value]))[0]
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            axes.text(
                j, i, format(value, form), ha="center", va="center", fontsize=7, color="white" if dark else "black"
            )
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(values.shape[1]), columns or list(map(str, range(1, values.shape[1] + 1))), fontsize=7)
    axes.set_yticks(range(values.shape[0]), rows or list(map(str, range(1, values.shape[0] + 1))), fontsize=7)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=8)
    return shown


def pick_evenly(count: int, most: int) -> list[int]:
    """Pick at most ``most`` of ``count`` positions, evenly spaced, including the first and last.

    >>> pick_evenly(3, 4), pick_evenly(12, 4)
    ([0, 1, 2], [0, 4, 7, 11])
    """
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))}) if count else []
