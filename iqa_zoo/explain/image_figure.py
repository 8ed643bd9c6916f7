"""One picture of what a model does with one image."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from iqa_zoo.contracts import TokenGrid
from iqa_zoo.explain.attending import distance
from iqa_zoo.explain.drawing import SHOWN, bare, draw_attention, draw_matrix, from_zero, grey, least_to_most, spread
from iqa_zoo.explain.finding import Finding
from iqa_zoo.explain.image import Look
from iqa_zoo.reports.plots import COLOURS, STYLE

BLOCKS = 4  # rows of overlays
PANEL = 1.35  # inches, a side


def image_figure(
    name: str,
    look: Look,
    moments: Mapping[str, Mapping[str, NDArray[np.float64]]],
    findings: list[Finding],
    label: str,
) -> Figure:
    """Draw a look: the crop, scores, likeness and experts; attention over the image by block; the same in training.

    Args:
        name: of the image.
        look: what the model did.
        moments: the attention at other moments of the training, by moment and block, in order.
        findings: the warnings among them stand at the foot.
        label: of the scores, such as MOS.
    """
    blocks = list(look.attention) if look.grid is not None else []
    rows = [blocks[i] for i in spread(len(blocks), BLOCKS)]
    queries = min(len(look.score_N), SHOWN)
    foot = _foot(look, findings, rows, blocks)
    heights = [2.4]
    if rows:
        heights.append(0.75 + (PANEL + 0.05) * len(rows))
        heights.append(0.75 + (PANEL + 0.05) * (1 + len(moments)))
    heights.append(0.2 + 0.15 * len(foot))
    with rc_context(STYLE):
        width = max(9.0, 1.3 + PANEL * (queries + 1))
        figure = Figure(figsize=(width, 0.4 + sum(heights)), layout="constrained")
        figure.suptitle(
            f"{name}: {label} {look.score:.4f} predicted ({_from_crops(look)})", x=0.01, ha="left", fontsize=11
        )
        parts = _many(figure.subfigures(len(heights), 1, height_ratios=heights))
        _summary(parts[0], look, label)
        if rows and look.grid is not None:
            _overlays(parts[1], look, rows, queries, look.grid)
            _training(parts[2], look, moments, queries, look.grid)
        parts[-1].text(0.01, 0.98, "\n".join(foot), fontsize=8, va="top")
    return figure


def _from_crops(look: Look) -> str:
    return f"mean of {look.crops} crops; the crop shown alone: {look.crop_score:.4f}"


def _many(made: Any) -> list[Any]:
    """What matplotlib made, one or several."""
    return list(np.atleast_1d(made))


def _summary(part: SubFigure, look: Look, label: str) -> None:
    crop, count = look.crop, len(look.score_N)
    ratios = [1.3, 1.3, *([1.1] if count > 1 else []), *(1.0 for _ in look.routes[-1:])]
    panels = _many(part.subplots(1, len(ratios), width_ratios=ratios))
    panels[0].imshow(crop.image_HWC)
    bare(panels[0])
    square = Rectangle((crop.left, crop.top), crop.size, crop.size, fill=False, edgecolor=COLOURS[4], linewidth=1.5)
    panels[0].add_patch(square)
    panels[0].set_title(f"the image, and its {crop.size}x{crop.size} crop", fontsize=8)
    numbers = list(map(str, range(1, count + 1)))
    panels[1].plot(look.score_N, range(count), "o", color=COLOURS[0], markersize=5)
    panels[1].axvline(look.crop_score, color=COLOURS[1], linewidth=1, linestyle="--", label="the crop's score")
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
        low = min(0.0, float(look.cosine_NN.min()))
        draw_matrix(panels[2], look.cosine_NN, low=low, high=1, title="mutual cosine of the queries", form=".3f")
        panels[2].set_xlabel("query")
    if look.routes:
        last = look.routes[-1]
        draw_matrix(panels[-1], last.weight_INE[0], low=0, high=1, title=f"weight of each expert ({last.path})")
        panels[-1].set_xlabel("expert")
        panels[-1].set_ylabel("query")


def _overlays(part: SubFigure, look: Look, rows: list[str], queries: int, grid: TokenGrid) -> None:
    part.suptitle(
        f"Attention over the {grid.rows}x{grid.columns} memory tokens ({grid.source}), mean over heads; "
        f"{100 / (grid.rows * grid.columns):.3g} % each if even",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    axes: Any = part.subplots(len(rows), queries + 1, squeeze=False)
    under_HW = grey(look.crop.pixels_HWC)
    for row, path in zip(axes, rows, strict=True):
        first = path == rows[0]
        titles = ["mean of queries", *(f"query {n + 1}: {look.score_N[n]:.4g}" for n in range(queries))]
        _row(part, row, look.attention[path], grid, path, titles if first else [], under_HW)


def _training(
    part: SubFigure,
    look: Look,
    moments: Mapping[str, Mapping[str, NDArray[np.float64]]],
    queries: int,
    grid: TokenGrid,
) -> None:
    path = list(look.attention)[-1]
    part.suptitle(
        f"{path} on its grid, in the training; above, how much lies elsewhere than in the selected weights; colours span a "
        "row's least to most",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    shown = {**{name: blocks[path] for name, blocks in moments.items()}, "selected weights": look.attention[path]}
    axes: Any = part.subplots(len(shown), queries + 1, squeeze=False)
    for row, (name, weights_NL) in zip(axes, shown.items(), strict=True):
        moved_N = distance(weights_NL, look.attention[path])
        titles = [f"{moved:.1%}" for moved in [moved_N.mean(), *moved_N[:queries]]] if name in moments else []
        _row(part, row, weights_NL, grid, textwrap.fill(name, 18), titles, None)


def _row(
    part: SubFigure,
    row: Any,
    weights_NL: NDArray[np.float64],
    grid: TokenGrid,
    name: str,
    titles: list[str],
    under_HW: NDArray[np.float64] | None,
) -> None:
    panels = [weights_NL.mean(0), *weights_NL]
    span = least_to_most(weights_NL) if under_HW is None else from_zero(weights_NL)
    for k, (axes, weights_L) in enumerate(zip(row, panels, strict=False)):
        weights_HW = weights_L.reshape(grid.rows, grid.columns)
        title = titles[k] if k < len(titles) else ""
        shown = draw_attention(axes, weights_HW, span, under_HW=under_HW, title=title)
    row[0].set_ylabel(name, fontsize=8)
    part.colorbar(shown, ax=list(row), label="% of attention", shrink=0.9, pad=0.01).ax.tick_params(labelsize=7)


def _foot(look: Look, findings: list[Finding], rows: list[str], blocks: list[str]) -> list[str]:
    lines = [f"Shown is {look.crop.describe()}."]
    if len(rows) < len(blocks):
        lines.append(f"{len(rows)} of {len(blocks)} blocks that attend are drawn.")
    if len(look.score_N) > SHOWN and rows:
        lines.append(f"Maps of queries 1 to {SHOWN} of {len(look.score_N)} are drawn.")
    if len(look.routes) > 1:
        lines.append(f"Experts of the last of {len(look.routes)} mixtures are drawn.")
    said = [str(each) for each in findings if each.warning or each.kind.startswith("no ")]
    return [line for text in [*lines, *said] for line in textwrap.wrap(text, 150)]
