"""Plots of the quality of models: against what they cost, and split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context

from iqa_zoo.reports.plots import COLOURS, MARKERS, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from iqa_zoo.stats.estimate import Estimate

Panel = Mapping[str, tuple[float, "Estimate"]]


def choose_style(k: int) -> dict[str, Any]:
    """Return colour and marker of the k-th model, distinct up to 49 models."""
    return {"color": COLOURS[k % 7], "marker": MARKERS[(k + k // 7) % 7]}


def plot_costs(panels: Mapping[str, Panel], *, line: tuple[str, Estimate] | None, title: str, y_label: str) -> Figure:
    """Plot quality against cost, a panel for each kind of cost (its x label), with a log axis and a legend below.

    Models of about the same cost stand side by side around it.

    Args:
        panels: of models as (cost, interval).
        line: the baseline as (name, interval), a horizontal line in each panel; None without one.
        title, y_label: texts.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    shown = len(names) + (line is not None)
    with rc_context(STYLE):
        figure = Figure(figsize=(7.5, 3.4 + 0.22 * -(-shown // 3)), layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
        for axes, (x_label, panel) in zip(grid.flat, panels.items(), strict=True):
            if line:
                name, value = line
                axes.axhspan(value.low, value.high, color="0.92", zorder=0)
                axes.axhline(value.mean, color="0.35", linestyle="--", linewidth=1.2, label=name)
            for name, (cost, value) in separate_costs(panel).items():
                error = [[value.mean - value.low], [value.high - value.mean]]
                style: dict[str, Any] = {"linestyle": "none", "capsize": 2, "markersize": 5, "linewidth": 1.2}
                axes.errorbar([cost], [value.mean], yerr=error, label=name, **style, **choose_style(names.index(name)))
            axes.set_xscale("log")
            costs = [cost for cost, _ in panel.values()]
            axes.set_xlim(min(costs) / 3, max(costs) * 3)
            _label_decades(axes)
            axes.set_xlabel(x_label)
            axes.grid(alpha=0.3, linewidth=0.6)
        grid.flat[0].set_ylabel(y_label)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=3, frameon=False, fontsize=8)
    return figure


def separate_costs(panel: Panel) -> dict[str, tuple[float, Estimate]]:
    """Move models of about the same cost apart by a share of the axis, so that their bars do not overlap.

    >>> {name: round(cost) for name, (cost, _) in separate_costs({"a": (100, None), "b": (100, None), "c": (1000, None)}).items()}
    {'a': 93, 'b': 107, 'c': 1000}
    """
    costs = [cost for cost, _ in panel.values()]
    step = (max(costs) / min(costs) * 9) ** 0.03
    clusters: list[list[str]] = []
    for name in sorted(panel, key=lambda name: panel[name][0]):
        if clusters and panel[name][0] <= panel[clusters[-1][-1]][0] * step:
            clusters[-1].append(name)
        else:
            clusters.append([name])
    moved = {}
    for cluster in clusters:
        in_order = [name for name in panel if name in cluster]
        middle = (len(in_order) - 1) / 2
        centre = float(np.exp(np.mean([np.log(panel[name][0]) for name in in_order])))
        for i, name in enumerate(in_order):
            cost, value = panel[name]
            moved[name] = (cost if len(cluster) == 1 else centre * step ** (i - middle), value)
    return {name: moved[name] for name in panel}


def _label_decades(axes: Any) -> None:
    """Label a log axis in words of counts; between decades too, where it spans fewer than two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    subs = (1.0,) if high / low > 100 else (1.0, 2.0, 5.0) if high / low > 4 else tuple(np.arange(1.0, 10.0))
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=8)


def format_count(value: float) -> str:
    """Format a count for an axis.

    >>> format_count(2e6), format_count(500), format_count(1e10)
    ('2 M', '500', '10 G')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def plot_splits(series: Mapping[str, Sequence[float | None]], *, title: str, x_label: str) -> Figure:
    """Plot a row of points for each model, one per split; a line joins the points of a split, and a bar is the median.

    ``series`` has the values of each model by split; None where a training failed or the metric is undefined.
    """
    from matplotlib.figure import Figure

    values_MS = np.array(
        [[np.nan if value is None else value for value in row] for row in series.values()], dtype=float
    )
    with rc_context(STYLE):
        figure = Figure(figsize=(7.5, 1.2 + 0.34 * max(len(series), 2)), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(series))
        for split in values_MS.T:
            axes.plot(split, rows, color="0.8", linewidth=0.7, zorder=1)
        for k, values in enumerate(values_MS):
            known = values[np.isfinite(values)]
            style = choose_style(k)
            axes.scatter(known, np.full(len(known), k), s=16, zorder=2, linewidths=0, alpha=0.8, **style)
            if len(known):
                axes.plot([np.median(known)] * 2, [k - 0.3, k + 0.3], color=style["color"], linewidth=2, zorder=3)
        axes.set_yticks(rows, list(series))
        axes.set_ylim(len(series) - 0.5, -0.5)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(x_label)
        axes.grid(alpha=0.3, linewidth=0.6, axis="x")
    return figure
