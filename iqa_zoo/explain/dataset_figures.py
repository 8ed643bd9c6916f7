"""The figures that explain a model over a dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from iqa_zoo.explain.adjacency import Adjacency
from iqa_zoo.explain.dataset import DatasetExplanation, sort_groups
from iqa_zoo.explain.drawing import DIVERGING, SHOWN, draw_attention_row, draw_matrix, pick_evenly, set_heading
from iqa_zoo.explain.image_figure import BLOCKS, PANEL
from iqa_zoo.explain.query_similarity import average_pairs
from iqa_zoo.reports.plots import COLOURS, STYLE

NAMES = ("routing", "adjacencies", "cosine", "attention", "queries")


def draw_dataset_figures(
    explanation: DatasetExplanation, adjacencies: list[Adjacency], title: str, label: str
) -> dict[str, Figure]:
    """Draw the figures that apply to the model, by names of ``NAMES``.

    ``title`` names the model and the dataset; ``label`` is the unit of the scores, such as MOS.
    """
    figures: dict[str, Figure] = {}
    with rc_context(STYLE):
        if explanation.routing:
            figures["routing"] = _draw_routing(explanation, title)
        if adjacencies:
            figures["adjacencies"] = _draw_adjacencies(adjacencies, title)
        if len(explanation.similarity.cosine_NN) > 1:
            figures["cosine"] = _draw_similarity(explanation, title)
        if explanation.attention and explanation.grid is not None:
            figures["attention"] = _draw_attention(explanation, title)
        figures["queries"] = _draw_queries(explanation, title, label)
    return figures


def _draw_routing(explanation: DatasetExplanation, title: str) -> Figure:
    """Draw the load of each expert, by group."""
    groups: dict[str, Any] = {f"all ({len(explanation.names)})": np.ones(len(explanation.names), bool)}
    for names in explanation.groups.values():
        groups |= {f"{group} ({(names == group).sum()})": names == group for group in sort_groups(names)}
    count = len(explanation.routing)
    experts = max(routing.num_experts for routing in explanation.routing)
    width = 2.6 + count * max(2.2, 0.6 * experts)
    figure = Figure(figsize=(max(width, 6.5), 1.5 + 0.3 * len(groups)), layout="constrained")
    set_heading(figure, f"{title}: expert load by group of images")
    axes: Any = figure.subplots(1, count, squeeze=False, sharey=True)
    for panel, routing in zip(axes[0], explanation.routing, strict=True):
        loads = np.array([routing.select(images).load_E for images in groups.values()])
        columns = [f"{e + 1}\ndead" if e in routing.dead else str(e + 1) for e in range(routing.num_experts)]
        heading = f"{routing.path}: {routing.top_k} of {routing.num_experts} experts per query"
        shown = draw_matrix(
            panel,
            100 * loads,
            low=0,
            high=100 / routing.top_k,
            title=heading,
            rows=list(groups),
            columns=columns,
            form=".0f",
        )
        panel.set_xlabel("expert")
        for line in (0.5, 0.5 + len(sort_groups(explanation.groups["quality"]))):
            panel.axhline(line, color="white", linewidth=3)
    axes[0][0].set_ylabel("images (count)")
    figure.colorbar(shown, ax=axes[0][-1], label="load, %")
    return figure


def _draw_adjacencies(adjacencies: list[Adjacency], title: str) -> Figure:
    """Draw each layer after training, and its change."""
    paths = list(dict.fromkeys(adjacency.path for adjacency in adjacencies))
    layers = max(adjacency.layer for adjacency in adjacencies) + 1
    figure = Figure(figsize=(1.4 + 2.9 * layers, 0.9 + 1.45 * len(paths)), layout="constrained")
    set_heading(figure, f"{title}: adjacency of the queries, the same for every image")
    axes: Any = figure.subplots(len(paths), 2 * layers, squeeze=False)
    low = min(0.0, *(float(adjacency.now_NN.min()) for adjacency in adjacencies))
    high = max(float(adjacency.now_NN.max()) for adjacency in adjacencies)
    largest = max(float(np.abs(adjacency.now_NN - adjacency.start_NN).max()) for adjacency in adjacencies) or 1.0
    for panel in axes.flat:
        panel.set_visible(False)
    for adjacency in adjacencies:
        now, change = axes[paths.index(adjacency.path)][2 * adjacency.layer : 2 * adjacency.layer + 2]
        value = _draw_heat_map(now, adjacency.now_NN, low, high, "cividis")
        delta = _draw_heat_map(change, adjacency.now_NN - adjacency.start_NN, -largest, largest, DIVERGING)
        now.set_title(f"layer {adjacency.layer + 1}", fontsize=8)
        change.set_title(f"moved {adjacency.relative:.2%}" if adjacency.learned else "constant", fontsize=8)
        if adjacency.layer == 0:
            now.set_ylabel(f"{adjacency.path}\nto query", fontsize=8)
        if adjacency.path == paths[-1]:
            now.set_xlabel("from query", fontsize=8)
            change.set_xlabel("from query", fontsize=8)
    figure.colorbar(value, ax=axes, label="weight after training", location="right", shrink=0.8, pad=0.01)
    figure.colorbar(delta, ax=axes, label="change since the start", location="right", shrink=0.8, pad=0.02)
    return figure


def _draw_heat_map(panel: Any, values: Any, low: float, high: float, cmap: str) -> Any:
    panel.set_visible(True)
    shown = panel.imshow(values, cmap=cmap, vmin=low, vmax=high)
    count = len(values)
    ticks = range(count) if count <= 8 else pick_evenly(count, 4)
    for set_ticks in (panel.set_xticks, panel.set_yticks):
        set_ticks(ticks, [str(tick + 1) for tick in ticks], fontsize=6)
    panel.tick_params(length=0)
    return shown


def _draw_similarity(explanation: DatasetExplanation, title: str) -> Figure:
    cosine_NN = explanation.similarity.cosine_NN
    count = len(cosine_NN)
    figure = Figure(figsize=(max(6.0, 2.2 + 0.45 * count), max(3.6, 1.3 + 0.4 * count)), layout="constrained")
    axes = figure.subplots()
    low = min(0.0, float(cosine_NN.min()))
    shown = draw_matrix(axes, cosine_NN, low=low, high=1, form=".4f")
    axes.set_aspect("equal")
    axes.set_xlabel("query")
    axes.set_ylabel("query")
    set_heading(figure, f"{title}:\nqueries that enter the head, mean over pairs {average_pairs(cosine_NN):.4f}")
    figure.colorbar(shown, label="cosine, mean over images")
    return figure


def _draw_attention(explanation: DatasetExplanation, title: str) -> Figure:
    assert explanation.grid is not None
    paths = list(explanation.attention)
    paths = [paths[i] for i in pick_evenly(len(paths), BLOCKS)]
    queries = min(explanation.score_IN.shape[1], SHOWN)
    size = (1.6 + PANEL * (queries + 1), 1.0 + (PANEL + 0.25) * len(paths))
    figure = Figure(figsize=(max(7.0, size[0]), size[1]), layout="constrained")
    grid = explanation.grid
    even = 100 / (grid.rows * grid.columns)
    set_heading(
        figure,
        f"{title}: mean attention over\nthe {grid.rows}x{grid.columns} memory tokens ({grid.source}); "
        f"{even:.3g} % each if even; colours span each row's minimum to maximum",
    )
    axes: Any = figure.subplots(len(paths), queries + 1, squeeze=False)
    for row, path in zip(axes, paths, strict=True):
        titles = ["mean of queries", *(f"query {n + 1}" for n in range(queries))] if path == paths[0] else []
        draw_attention_row(figure, row, explanation.attention[path], grid, path, titles)
    return figure


def _draw_queries(explanation: DatasetExplanation, title: str, label: str) -> Figure:
    count = explanation.score_IN.shape[1]
    figure = Figure(figsize=(max(6.0, 1.5 + 0.5 * count), 3.6), layout="constrained")
    axes = figure.subplots()
    middle = explanation.score_IN.mean(1, keepdims=True)
    parts = axes.boxplot(
        explanation.score_IN - middle,
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
    axes.set_ylabel(f"query score minus the mean of queries ({label})")
    axes.set_title(f"{title}: deviation of each query's score", loc="left", fontsize=10)
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
    return figure
