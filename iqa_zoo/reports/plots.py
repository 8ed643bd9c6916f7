"""Plots of studies, with colours for colour-blind readers and axes with units."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iqa_zoo.outputs import write_bytes
from iqa_zoo.stats.estimate import Estimate

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
MOST_INSIDE = 4  # series in a legend inside the axes
MARKERS = "osD^vPX"
DATES: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
FILLS: dict[str, Any] = {  # markers of differences by verdict; where one model is ahead, they are full
    "equivalent": {"fillstyle": "left", "markerfacecoloralt": "white"},
    "undecided": {"markerfacecolor": "white"},
}
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "iqa_zoo",
    "savefig.dpi": 150,
    "pdf.fonttype": 42,  # text stays text
}


def plot_forest(groups: Mapping[str, Mapping[str, Estimate]], *, title: str, label: str) -> Figure:
    """Plot differences in rows against a line at zero, with a colour and marker for each group; see :data:`FILLS`."""
    rows = list(dict.fromkeys(row for group in groups.values() for row in group))
    with rc_context(STYLE):
        figure = Figure(figsize=(7.5, 1.2 + 0.34 * max(len(rows), 2)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color="0.6", linewidth=1, linestyle=":")
        _draw_margin(axes, [value for group in groups.values() for value in group.values()], axes.axvspan)
        for k, (name, group) in enumerate(groups.items()):
            shift = (k - (len(groups) - 1) / 2) * 0.26 if len(rows) < sum(map(len, groups.values())) else 0
            y = [rows.index(row) + shift for row in group]
            _draw_intervals(axes, y, list(group.values()), k, name, along="x", differences=True, linewidth=1.2)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        _finish(axes, title, label, "", len(groups) > 1)
    return figure


def _draw_margin(axes: Axes, values: Sequence[Estimate], span: Callable[..., Any]) -> None:
    """Draw the margin within which differences are equivalent as a band."""
    if margin := max((value.margin for value in values if value.margin > 0), default=0.0):
        span(-margin, margin, color="0.9", zorder=0)


def _draw_intervals(
    axes: Axes,
    x: Sequence[float],
    values: Sequence[Estimate],
    k: int,
    name: str,
    *,
    along: str = "y",
    differences: bool = False,
    **style: Any,
) -> None:
    """Draw the intervals of series ``k`` at x along the y axis, or swapped; the verdicts of differences by :data:`FILLS`."""
    middle = np.array([v.mean for v in values])
    error = np.abs(np.array([[v.low, v.high] for v in values]).T - middle)
    at: dict[str, Any] = {"x": x, "y": middle} if along == "y" else {"x": middle, "y": x}
    style = {"fmt": MARKERS[k % 7], "color": COLOURS[k % 7], "label": name, "capsize": 2, "markersize": 5, **style}
    axes.errorbar(**at, **{f"{along}err": error}, **style)
    marker: Any = {"marker": MARKERS[k % 7], "color": COLOURS[k % 7], "markersize": 5, "zorder": 3}
    for x_i, y_i, value in zip(at["x"], at["y"], values, strict=True) if differences else ():
        if value.verdict in FILLS:
            axes.plot(x_i, y_i, **marker, **FILLS[value.verdict])


def plot_curves(
    series: Mapping[str, Sequence[tuple[float, Estimate]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    apart: float = 0.0,
    differences: bool = False,
) -> Figure:
    """Plot one line with error bars per series of (x, interval).

    ``apart`` shifts each series by a share of the axis, so that bars do not overlap. With ``differences``, there is a line
    at zero, and markers show the verdicts; see :data:`FILLS`.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(6 if len(series) <= MOST_INSIDE else 8, 4), layout="constrained")
        axes = figure.subplots()
        (_draw_differences if differences else _draw_curves)(axes, series, apart=apart)
        _finish(axes, title, x_label, y_label, len(series) > 1)
    return figure


def plot_panels(
    many: Mapping[str, Mapping[str, Sequence[tuple[float, Estimate]]]], *, title: str, y_label: str, log: bool = False
) -> Figure:
    """Plot several panels of differences, as :func:`plot_curves` does, with a shared y axis; named by their x label."""
    columns = min(3, len(many))
    with rc_context(STYLE):
        figure, grid = _make_grid(len(many), columns, (3.2 * columns, 0.5), 2.6, sharey=True)
        for i, (axes, (x_label, series)) in enumerate(zip(grid.flat, many.items(), strict=False)):
            _draw_differences(axes, series, log=log)
            _finish(axes, "", x_label, y_label if i % columns == 0 else "", i == 0 and len(series) > 1)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _draw_differences(axes: Axes, series: Mapping[str, Sequence[tuple[float, Estimate]]], **settings: Any) -> None:
    """Draw curves with a line at zero, the margin, and markers that show the verdicts."""
    axes.axhline(0, color="0.6", linewidth=1, linestyle=":")
    _draw_margin(axes, [value for points in series.values() for _, value in points], axes.axhspan)
    _draw_curves(axes, series, differences=True, **settings)


def _draw_curves(
    axes: Axes,
    series: Mapping[str, Sequence[tuple[float, Estimate]]],
    *,
    log: bool = False,
    apart: float = 0.0,
    differences: bool = False,
) -> None:
    values = sorted({point[0] for points in series.values() for point in points})
    step = apart * (values[-1] - values[0]) if values else 0.0
    for k, (name, points) in enumerate(series.items()):
        x = [point[0] + (k - (len(series) - 1) / 2) * step for point in points]
        style: Any = {"fmt": f"{MARKERS[k % 7]}-", "linewidth": 1.2}
        _draw_intervals(axes, x, [value for _, value in points], k, name, differences=differences, **style)
    if log:
        axes.set_xscale("log", base=2)
    if len(values) <= 8:
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()


def plot_matrix(
    values: Sequence[Sequence[float | None]], rows: Sequence[str], columns: Sequence[str], *, title: str, label: str
) -> Figure:
    """Plot numbers as coloured cells with text; None is a grey cell."""
    array = np.array([[np.nan if value is None else value for value in row] for row in values], dtype=float)
    with rc_context(STYLE):
        width, height = 2.8 + 0.75 * len(columns), 1.6 + 0.32 * len(rows)
        figure = Figure(figsize=(max(width, 5), height), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(np.ma.masked_invalid(array), cmap="cividis", aspect="auto")
        axes.set_facecolor("0.85")
        low, high = (np.nanmin(array), np.nanmax(array)) if np.isfinite(array).any() else (0.0, 1.0)
        for i, j in np.ndindex(array.shape):
            if np.isfinite(array[i, j]):
                dark = array[i, j] < (low + high) / 2
                axes.text(
                    j, i, f"{array[i, j]:.3f}", ha="center", va="center", color="white" if dark else "black", fontsize=8
                )
        axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
        axes.set_yticks(range(len(rows)), rows)
        axes.spines[:].set_visible(False)
        figure.colorbar(image, label=label)
        axes.set_title(title, loc="left", fontsize=10)
    return figure


def plot_layouts(
    many: Mapping[str, Sequence[Sequence[float]]],
    colours: Sequence[str] | Sequence[float],
    *,
    title: str,
    label: str,
) -> Figure:
    """Plot two-dimensional layouts side by side, coloured by class or by number.

    ``many`` maps a panel title to the coordinates of each point. Axes are not drawn. ``label`` is that of the numbers.
    """
    columns = min(2, len(many))
    kinds = sorted({colour for colour in colours if isinstance(colour, str)})
    with rc_context(STYLE):
        figure, grid = _make_grid(len(many), columns, (4.2 * columns + 1, 0.6), 3.6)
        for axes, (name, layout) in zip(grid.flat, many.items(), strict=False):
            place = np.array(layout)
            if kinds:
                for k, kind in enumerate(kinds):
                    members = place[[colour == kind for colour in colours]]
                    style: Any = {"color": COLOURS[k % 7], "marker": MARKERS[(k + k // 7) % 7], "label": kind}
                    axes.scatter(*members.T, s=9, linewidths=0, **style)
            else:
                shown = axes.scatter(*place.T, s=9, c=colours, cmap="cividis", linewidths=0)
            remove_frame(axes)
            axes.set_title(name, loc="left", fontsize=8)
        if kinds:
            handles, names = grid.flat[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8, markerscale=2)
        else:
            figure.colorbar(shown, ax=grid, label=label, shrink=0.6)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def plot_pareto(
    points: Mapping[str, Mapping[str, tuple[float, Estimate]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    apart: float = 0.0,
) -> Figure:
    """Plot named points by series, (cost, interval) with cost on a log axis, and their Pareto front.

    A name shared by several series is written once, above its highest point. ``apart`` shifts each series by a share of the
    axis, so that bars do not overlap.
    """
    costs = [cost for series in points.values() for cost, _ in series.values()]
    factor = (max(costs) / min(costs)) ** apart
    middle = (len(points) - 1) / 2
    drawn = {
        name: {text: (cost * factor ** (k - middle), value) for text, (cost, value) in series.items()}
        for k, (name, series) in enumerate(points.items())
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(6.5, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.margins(x=0.12, y=0.08)
        for k, (name, series) in enumerate(drawn.items()):
            at, values = zip(*series.values(), strict=True)
            _draw_intervals(axes, at, values, k, name)
        for text in dict.fromkeys(text for series in points.values() for text in series):
            places = [series[text] for series in points.values() if text in series]
            x_mean = float(np.exp(np.mean([np.log(cost) for cost, _ in places])))
            top = max(value.high for _, value in places)
            axes.annotate(
                text, (x_mean, top), textcoords="offset points", xytext=(0, 4), ha="center", va="bottom", fontsize=8
            )
        shown = [(cost, value.mean) for series in drawn.values() for cost, value in series.values()]
        front = [shown[i] for i in find_pareto_front(costs, [value for _, value in shown])]
        axes.plot(*zip(*front, strict=True), color="0.5", linestyle="--", linewidth=1, zorder=0, label="Pareto front")
        _finish(axes, title, x_label, y_label, True)
    return figure


def find_pareto_front(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Find the positions of the points that are not dominated, by cost.

    >>> find_pareto_front([1, 2, 3, 2], [0.5, 0.7, 0.6, 0.6])
    [0, 1]
    """
    front: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -values[i])):
        if not front or values[i] > values[front[-1]]:
            front.append(i)
    return front


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format given by the file suffix, without a date; raises InputError where it cannot be written."""
    drawn, kind = io.BytesIO(), path.suffix[1:].lower()
    with rc_context(STYLE):
        figure.savefig(drawn, format=kind, metadata=DATES.get(kind))
    write_bytes(path, drawn.getvalue())


def remove_frame(axes: Axes) -> None:
    """Remove ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _make_grid(
    count: int, columns: int, size: tuple[float, float], row_height: float, sharey: bool = False
) -> tuple[Figure, Any]:
    """Make a figure with ``count`` panels in rows; ``size`` is its size without the rows."""
    rows = -(-count // columns)
    figure = Figure(figsize=(size[0], size[1] + row_height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=sharey, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, grid


def _finish(axes: Axes, title: str, x_label: str, y_label: str, legend: bool) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3, linewidth=0.6)
    if legend:
        many = len(axes.get_legend_handles_labels()[1]) > MOST_INSIDE
        beside: Any = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if many else {}
        axes.legend(frameon=False, fontsize=8, **beside)
