"""The figure that explains the prediction of one image."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from iqa_zoo.contracts import TokenGrid
from iqa_zoo.explain.attention import Attention, compute_attention_distance
from iqa_zoo.explain.drawing import (
    SHOWN,
    compute_luma,
    draw_attention_row,
    draw_matrix,
    pick_evenly,
    set_heading,
)
from iqa_zoo.explain.image import ImageExplanation
from iqa_zoo.explain.observation import Observation
from iqa_zoo.reports.plots import COLOURS, STYLE, remove_frame

BLOCKS = 4  # rows of overlays
PANEL = 1.35  # side in inches


def draw_image_figure(
    name: str,
    explanation: ImageExplanation,
    snapshots: Mapping[str, Attention],
    observations: list[Observation],
    label: str,
) -> Figure:
    """Draw the crop, scores, query similarity and experts, then attention by block, then attention during training.

    ``snapshots`` holds the attention earlier in the training, by snapshot and block; ``label`` is the unit of the scores.
    """
    blocks = list(explanation.attention) if explanation.grid is not None else []
    rows = [blocks[i] for i in pick_evenly(len(blocks), BLOCKS)]
    queries = min(len(explanation.score_N), SHOWN)
    foot = _format_foot(explanation, observations, rows, blocks)
    heights = [2.4]
    if rows:
        heights.append(0.75 + (PANEL + 0.05) * len(rows))
        heights.append(0.75 + (PANEL + 0.05) * (1 + len(snapshots)))
    heights.append(0.2 + 0.15 * len(foot))
    with rc_context(STYLE):
        width = max(9.0, 1.3 + PANEL * (queries + 1))
        figure = Figure(figsize=(width, 0.4 + sum(heights)), layout="constrained")
        crops = f"{explanation.describe_views()}; the crop shown: {explanation.crop_score:.4f}"
        set_heading(figure, f"{name}: {label} {explanation.score:.4f} predicted ({crops})", 11)
        parts = _as_list(figure.subfigures(len(heights), 1, height_ratios=heights))
        _draw_summary(parts[0], explanation, label)
        if rows and explanation.grid is not None:
            _draw_overlays(parts[1], explanation, rows, queries, explanation.grid)
            _draw_training(parts[2], explanation, snapshots, queries, explanation.grid)
        parts[-1].text(0.01, 0.98, "\n".join(foot), fontsize=8, va="top")
    return figure


def _as_list(made: Any) -> list[Any]:
    """A list of the panels, also for a single one."""
    return list(np.atleast_1d(made))


def _draw_summary(part: SubFigure, explanation: ImageExplanation, label: str) -> None:
    crop, count = explanation.crop, len(explanation.score_N)
    ratios = [1.3, 1.3, *([1.1] if count > 1 else []), *(1.0 for _ in explanation.routing[-1:])]
    panels = _as_list(part.subplots(1, len(ratios), width_ratios=ratios))
    panels[0].imshow(crop.image_HWC)
    remove_frame(panels[0])
    square = Rectangle((crop.left, crop.top), crop.size, crop.size, fill=False, edgecolor=COLOURS[4], linewidth=1.5)
    panels[0].add_patch(square)
    panels[0].set_title(f"the image and its {crop.size}x{crop.size} crop", fontsize=8)
    numbers = list(map(str, range(1, count + 1)))
    panels[1].plot(explanation.score_N, range(count), "o", color=COLOURS[0], markersize=5)
    panels[1].axvline(explanation.crop_score, color=COLOURS[1], linewidth=1, linestyle="--", label="the crop's score")
    panels[1].set_yticks(range(count), numbers)
    panels[1].invert_yaxis()
    panels[1].ticklabel_format(axis="x", useOffset=False)
    panels[1].margins(x=0.2)
    panels[1].locator_params(axis="x", nbins=4)
    panels[1].set_xlabel(f"score ({label})")
    panels[1].set_ylabel("query")
    panels[1].legend(fontsize=7, frameon=False)
    panels[1].set_title("score by query", fontsize=8)
    if count > 1:
        cosine_NN, title = explanation.similarity.cosine_NN, "cosine similarity of the queries"
        draw_matrix(panels[2], cosine_NN, low=min(0.0, float(cosine_NN.min())), high=1, title=title, form=".3f")
        panels[2].set_xlabel("query")
    if explanation.routing:
        last = explanation.routing[-1]
        draw_matrix(panels[-1], last.weight_INE[0], low=0, high=1, title=f"weight of each expert ({last.path})")
        panels[-1].set_xlabel("expert")
        panels[-1].set_ylabel("query")


def _draw_overlays(
    part: SubFigure, explanation: ImageExplanation, rows: list[str], queries: int, grid: TokenGrid
) -> None:
    set_heading(
        part,
        f"Attention over the {grid.rows}x{grid.columns} memory tokens ({grid.source}), mean over heads; "
        f"{100 / (grid.rows * grid.columns):.3g} % each if even",
        9,
    )
    axes: Any = part.subplots(len(rows), queries + 1, squeeze=False)
    under_HW = compute_luma(explanation.crop.pixels_HWC)
    for row, path in zip(axes, rows, strict=True):
        first = path == rows[0]
        titles = ["mean of queries", *(f"query {n + 1}: {explanation.score_N[n]:.4g}" for n in range(queries))]
        draw_attention_row(part, row, explanation.attention[path], grid, path, titles if first else [], under_HW)


def _draw_training(
    part: SubFigure,
    explanation: ImageExplanation,
    snapshots: Mapping[str, Attention],
    queries: int,
    grid: TokenGrid,
) -> None:
    path = list(explanation.attention)[-1]
    set_heading(
        part,
        f"{path} during training. Titles: total variation distance to the selected weights; colours span each row's "
        "minimum to maximum",
        9,
    )
    selected_NL = explanation.attention[path]
    shown = {**{name: blocks[path] for name, blocks in snapshots.items()}, "selected weights": selected_NL}
    axes: Any = part.subplots(len(shown), queries + 1, squeeze=False)
    for row, (name, weights_NL) in zip(axes, shown.items(), strict=True):
        moved_N = compute_attention_distance(weights_NL, selected_NL)
        titles = [f"{moved:.1%}" for moved in [moved_N.mean(), *moved_N[:queries]]] if name in snapshots else []
        draw_attention_row(part, row, weights_NL, grid, textwrap.fill(name, 18), titles)


def _format_foot(
    explanation: ImageExplanation, observations: list[Observation], rows: list[str], blocks: list[str]
) -> list[str]:
    lines = [f"Shown is {explanation.crop.describe()}."]
    if len(rows) < len(blocks):
        lines.append(f"{len(rows)} of {len(blocks)} attention blocks are drawn.")
    if len(explanation.score_N) > SHOWN and rows:
        lines.append(f"Attention maps of queries 1 to {SHOWN} of {len(explanation.score_N)} are drawn.")
    if len(explanation.routing) > 1:
        lines.append(f"Only the experts of the last of {len(explanation.routing)} mixtures are drawn.")
    remarks = [str(each) for each in observations if each.warning or each.kind.startswith("no ")]
    return [line for text in [*lines, *remarks] for line in textwrap.wrap(text, 150)]
