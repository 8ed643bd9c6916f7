"""The pictures of what a model does over many rated images."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from iqa_zoo.explain.dataset import Survey, ordered_groups
from iqa_zoo.explain.drawing import DIVERGING, SHOWN, draw_attention, draw_matrix, least_to_most, spread
from iqa_zoo.explain.graphs import Graph
from iqa_zoo.explain.image_figure import BLOCKS, PANEL
from iqa_zoo.explain.likeness import mean_between
from iqa_zoo.reports.plots import COLOURS, STYLE

NAMES = ("routing", "adjacencies", "cosine", "attention", "queries")


def dataset_figures(found: Survey, graphs: list[Graph], title: str, label: str) -> dict[str, Figure]:
    """Return the figures that the model has something to show in, by names of ``NAMES``.

    Args:
        found: what the images made the model do.
        graphs: its adjacencies.
        title: model and dataset, with the number of images.
        label: of the scores, such as MOS.
    """
    figures: dict[str, Figure] = {}
    with rc_context(STYLE):
        if found.routes:
            figures["routing"] = _routing(found, title)
        if graphs:
            figures["adjacencies"] = _adjacencies(graphs, title)
        if len(found.cosine_NN) > 1:
            figures["cosine"] = _cosine(found, title)
        if found.attention and found.grid is not None:
            figures["attention"] = _attention(found, title)
        figures["queries"] = _queries(found, title, label)
    return figures


def _routing(found: Survey, title: str) -> Figure:
    """The share of visits of each expert, by group."""
    groups: dict[str, Any] = {f"all ({len(found.names)})": np.ones(len(found.names), bool)}
    for of in found.groups.values():
        groups |= {f"{group} ({(of == group).sum()})": of == group for group in ordered_groups(of)}
    count = len(found.routes)
    experts = max(routes.num_experts for routes in found.routes)
    width = 2.6 + count * max(2.2, 0.6 * experts)
    figure = Figure(figsize=(max(width, 6.5), 1.5 + 0.3 * len(groups)), layout="constrained")
    figure.suptitle(f"{title}: which experts images meet", x=0.01, ha="left", fontsize=10)
    axes: Any = figure.subplots(1, count, squeeze=False, sharey=True)
    for panel, routes in zip(axes[0], found.routes, strict=True):
        loads = np.array([routes.of(of).load_E for of in groups.values()])
        columns = [f"{e + 1}\ndead" if e in routes.dead else str(e + 1) for e in range(routes.num_experts)]
        named = f"{routes.path}: {routes.top_k} of {routes.num_experts} experts a query"
        shown = draw_matrix(
            panel,
            100 * loads,
            low=0,
            high=100 / routes.top_k,
            title=named,
            rows=list(groups),
            columns=columns,
            form=".0f",
        )
        panel.set_xlabel("expert")
        for line in (0.5, 0.5 + len(ordered_groups(found.groups["quality"]))):
            panel.axhline(line, color="white", linewidth=3)
    axes[0][0].set_ylabel("images (how many)")
    figure.colorbar(shown, ax=axes[0][-1], label="% of the visits")
    return figure


def _adjacencies(graphs: list[Graph], title: str) -> Figure:
    """Each layer as it is, and what training changed."""
    paths = list(dict.fromkeys(graph.path for graph in graphs))
    layers = max(graph.layer for graph in graphs) + 1
    figure = Figure(figsize=(1.4 + 2.9 * layers, 0.9 + 1.45 * len(paths)), layout="constrained")
    figure.suptitle(f"{title}: adjacency of the queries, the same for every image", x=0.01, ha="left", fontsize=10)
    axes: Any = figure.subplots(len(paths), 2 * layers, squeeze=False)
    low = min(0.0, *(float(graph.now_NN.min()) for graph in graphs))
    high = max(float(graph.now_NN.max()) for graph in graphs)
    most = max(float(np.abs(graph.now_NN - graph.start_NN).max()) for graph in graphs) or 1.0
    for panel in axes.flat:
        panel.set_visible(False)
    for graph in graphs:
        now, change = axes[paths.index(graph.path)][2 * graph.layer : 2 * graph.layer + 2]
        value = _heat(now, graph.now_NN, low, high, "cividis")
        delta = _heat(change, graph.now_NN - graph.start_NN, -most, most, DIVERGING)
        now.set_title(f"layer {graph.layer + 1}", fontsize=8)
        kind = f"moved {graph.relative:.2%}" if graph.learned else "constant"
        change.set_title(kind, fontsize=8)
        if graph.layer == 0:
            now.set_ylabel(f"{graph.path}\nto query", fontsize=8)
        if graph.path == paths[-1]:
            now.set_xlabel("from query", fontsize=8)
            change.set_xlabel("from query", fontsize=8)
    figure.colorbar(value, ax=axes, label="weight after training", location="right", shrink=0.8, pad=0.01)
    figure.colorbar(delta, ax=axes, label="change since the start", location="right", shrink=0.8, pad=0.02)
    return figure


def _heat(panel: Any, values: Any, low: float, high: float, cmap: str) -> Any:
    panel.set_visible(True)
    shown = panel.imshow(values, cmap=cmap, vmin=low, vmax=high)
    count = len(values)
    ticks = range(count) if count <= 8 else spread(count, 4)
    for set_ticks in (panel.set_xticks, panel.set_yticks):
        set_ticks(ticks, [str(tick + 1) for tick in ticks], fontsize=6)
    panel.tick_params(length=0)
    return shown


def _cosine(found: Survey, title: str) -> Figure:
    count = len(found.cosine_NN)
    figure = Figure(figsize=(max(6.0, 2.2 + 0.45 * count), max(3.6, 1.3 + 0.4 * count)), layout="constrained")
    axes = figure.subplots()
    low = min(0.0, float(found.cosine_NN.min()))
    shown = draw_matrix(axes, found.cosine_NN, low=low, high=1, form=".4f")
    axes.set_aspect("equal")
    axes.set_xlabel("query")
    axes.set_ylabel("query")
    figure.suptitle(
        f"{title}:\nqueries that enter the head, mean over pairs {mean_between(found.cosine_NN):.4f}",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    figure.colorbar(shown, label="cosine, mean over images")
    return figure


def _attention(found: Survey, title: str) -> Figure:
    assert found.grid is not None
    paths = list(found.attention)
    paths = [paths[i] for i in spread(len(paths), BLOCKS)]
    queries = min(found.score_IN.shape[1], SHOWN)
    size = (1.6 + PANEL * (queries + 1), 1.0 + (PANEL + 0.25) * len(paths))
    figure = Figure(figsize=(max(7.0, size[0]), size[1]), layout="constrained")
    grid = found.grid
    even = 100 / (grid.rows * grid.columns)
    figure.suptitle(
        f"{title}: mean attention over\nthe {grid.rows}x{grid.columns} memory tokens ({grid.source}); "
        f"{even:.3g} % each if even; colours span a row's least to most",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    axes: Any = figure.subplots(len(paths), queries + 1, squeeze=False)
    for row, path in zip(axes, paths, strict=True):
        weights_NL = found.attention[path]
        titles = (
            ["mean of queries", *(f"query {n + 1}" for n in range(queries))]
            if path == paths[0]
            else [""] * (queries + 1)
        )
        span = least_to_most(weights_NL)
        for panel, weights_L, text in zip(row, [weights_NL.mean(0), *weights_NL], titles, strict=False):
            shown = draw_attention(panel, weights_L.reshape(grid.rows, grid.columns), span, title=text)
        row[0].set_ylabel(path, fontsize=8)
        figure.colorbar(shown, ax=list(row), label="% of attention", shrink=0.9, pad=0.01).ax.tick_params(labelsize=7)
    return figure


def _queries(found: Survey, title: str, label: str) -> Figure:
    count = found.score_IN.shape[1]
    figure = Figure(figsize=(max(6.0, 1.5 + 0.5 * count), 3.6), layout="constrained")
    axes = figure.subplots()
    middle = found.score_IN.mean(1, keepdims=True)
    parts = axes.boxplot(
        found.score_IN - middle,
        positions=range(1, count + 1),
        widths=0.6,
        patch_artist=True,
        flierprops={"markersize": 2},
    )
    for box in parts["boxes"]:
        box.set(facecolor=COLOURS[5], alpha=0.6)
    for line in parts["medians"]:
        line.set(color=COLOURS[6])
    axes.axhline(0, color="0.6", linewidth=1, linestyle=":")
    axes.set_xlabel("query")
    axes.set_ylabel(f"a query's score less their mean ({label})")
    axes.set_title(f"{title}: what each query adds to the score", loc="left", fontsize=10)
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
    return figure
