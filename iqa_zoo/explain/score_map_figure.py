"""The figure of a score map, beside the attention and the occlusion where there are any."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from iqa_zoo.explain.drawing import COLOURS, DIVERGING, compute_luma, draw_attention, set_heading, span_from_zero
from iqa_zoo.explain.image import ImageExplanation
from iqa_zoo.explain.score_map import ScoreMap
from iqa_zoo.reports.plots import STYLE, remove_frame

CELLS = 128  # of the map, along the long side
PANEL = 3.4  # inches
NARROWEST = 0.1  # of the scale: regions that differ less look alike


def compute_span(score_map: ScoreMap, scale: float) -> tuple[float, float]:
    """Compute the scores at the ends of the colours: those of the regions, at least ``NARROWEST`` of the scale apart.

    Args:
        score_map: of an image.
        scale: length of the scale of the scores.
    """
    low, high = float(score_map.score_RC.min()), float(score_map.score_RC.max())
    least = NARROWEST * scale
    return (low, high) if high - low >= least else ((low + high - least) / 2, (low + high + least) / 2)


def draw_score_map(
    name: str,
    score_map: ScoreMap,
    label: str,
    scale: float,
    *,
    drop_HW: NDArray[np.float64] | None = None,
    explanation: ImageExplanation | None = None,
    notes: list[str] | None = None,
) -> Figure:
    """Draw an image, its score map, the drop of the score under occlusion, and the attention over its centre crop.

    Args:
        name: of the image.
        score_map: of the image.
        label: of the scores, short.
        scale: length of their scale.
        drop_HW: of :func:`iqa_zoo.explain.occlusion.compute_occlusion`; no panel where left out.
        explanation: of the centre crop; no panel where left out, or where the model has no attention map.
        notes: sentences below the figure.
    """
    has_attention = explanation is not None and explanation.grid is not None
    count = 2 + (drop_HW is not None) + has_attention
    foot = [line for note in notes or [] for line in textwrap.wrap(note, 58 * count)]
    height, width = score_map.image_HWC.shape[:2]
    tall = PANEL * min(1.6, max(0.55, height / width)) + 0.5
    under_HW = compute_luma(score_map.image_HWC)
    extent = (0, width, height, 0)
    with rc_context(STYLE):
        figure = Figure(figsize=(PANEL * count, tall + 0.5 + 0.16 * len(foot)), layout="constrained")
        set_heading(figure, f"{name}: {label} {float(score_map.score):.4f} predicted", 11)
        parts: Any = figure.subfigures(2, 1, height_ratios=[tall, 0.1 + 0.16 * len(foot)])
        upper, lower = parts
        panels = list(np.atleast_1d(upper.subplots(1, count)))
        _draw_photograph(panels[0], score_map, extent)
        low, high = compute_span(score_map, scale)
        map_HW = score_map.paint(*score_map.choose_cells(CELLS))
        shown = _draw_over(panels[1], under_HW, map_HW, extent, COLOURS, low, high)
        panels[1].set_title("score of each region as a photograph,\nmean of the regions that overlap", fontsize=8)
        upper.colorbar(shown, ax=panels[1], label=label, shrink=0.85)
        if drop_HW is not None:
            most = max(float(np.abs(drop_HW).max()), 0.01 * scale)
            shown = _draw_over(panels[2], under_HW, drop_HW, extent, DIVERGING, -most, most)
            panels[2].set_title("drop of the score\nwhere the place is covered", fontsize=8)
            upper.colorbar(shown, ax=panels[2], label=f"drop of {label}", shrink=0.85)
        if explanation is not None and explanation.grid is not None:
            path, weights_NL = list(explanation.attention.items())[-1]
            grid = explanation.grid
            mean_HW = weights_NL.mean(0).reshape(grid.rows, grid.columns)
            crop_HW = compute_luma(explanation.crop.pixels_HWC)
            title = f"attention over the centre crop,\n{path}, mean of queries"
            shown = draw_attention(panels[-1], mean_HW, span_from_zero(weights_NL), under_HW=crop_HW, title=title)
            upper.colorbar(shown, ax=panels[-1], label="% of attention", shrink=0.85)
        lower.text(0.01, 0.98, "\n".join(foot), fontsize=8, va="top")
    return figure


def _draw_photograph(axes: Any, score_map: ScoreMap, extent: tuple[int, int, int, int]) -> None:
    axes.imshow(score_map.image_HWC, extent=extent)
    top, left = score_map.boxes[0]
    axes.add_patch(Rectangle((left, top), score_map.size, score_map.size, fill=False, edgecolor="white", linewidth=2.5))
    axes.add_patch(Rectangle((left, top), score_map.size, score_map.size, fill=False, edgecolor="black", linewidth=1))
    axes.set_title(f"the image,\nand a region of {score_map.size}x{score_map.size} pixels", fontsize=8)
    remove_frame(axes)


def _draw_over(
    axes: Any,
    under_HW: NDArray[np.float64],
    values_HW: NDArray[np.float64],
    extent: tuple[int, int, int, int],
    colours: str,
    low: float,
    high: float,
) -> Any:
    axes.imshow(under_HW, cmap="gray", vmin=0, vmax=1, extent=extent)
    shown = axes.imshow(
        values_HW, cmap=colours, vmin=low, vmax=high, alpha=0.65, extent=extent, interpolation="nearest"
    )
    remove_frame(axes)
    return shown
