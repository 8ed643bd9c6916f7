"""Tables, sentences and plots of a study of backbone sizes, made from its results alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_intervals,
    format_data_name,
    format_moved,
    format_spread,
    read_spread,
    summarize_verdicts,
    tabulate_differences,
)
from iqa_zoo.reports.table import Table, count
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
COSTS = {"macs": "MACs", "params": "parameters"}


def make_tables(results: Results) -> list[Table]:
    """Every backbone with every decoder, the differences to the best and between decoders, and what was left out."""
    tables = [_models(results)]
    best = [pair for pair in results["differences"] if results["best"] in (pair["first"], pair["second"])]
    same = [pair for pair in results["differences"] if pair["decoders"]]
    intervals = describe_intervals(len(results["splits"]), results["differences"])
    if best:
        note = f"The best, {results['best']}, has the highest median of {len(results['rows'])} here, so that it may owe a little to luck."
        tables.append(tabulate_differences("Paired differences to the best", best, [*intervals, note]))
    if same:
        tables.append(tabulate_differences("Paired differences of decoders on the same backbone", same, intervals))
    if results["refused"]:
        rows = [[row["backbone"], row["model"], row["reason"]] for row in results["refused"]]
        columns = ["backbone", "model", "reason"]
        tables.append(Table("Left out", columns, rows, left=columns))
    return tables


def _models(results: Results) -> Table:
    rows = []
    for row in results["rows"]:
        budget, speed = row["budget"], row.get("speed")
        rows.append(
            [
                row["backbone"],
                row["decoder"],
                count(budget["params"]),
                count(budget["decoder"]["params"]),
                count(budget["macs"]),
                f"{speed['latency_ms']:.1f}" if speed else "-",
                format_spread(row["srocc"]) if row["srocc"] else "failed",
                ", ".join(COSTS[cost] for cost in COSTS if row["model"] in results["front"][cost]) or "-",
                "baseline, not matched"
                if row["decoder"] == results["baseline"]
                else format_moved(budget) or "as it is",
            ]
        )
    columns = ["backbone", "decoder", "params", "of it decoder", "MACs", "ms", "SROCC", "front", "moved"]
    return Table(
        f"Backbones of several sizes, median SROCC and quartiles: {results['data']['name']}",
        columns,
        rows,
        notes(results),
        left=["backbone", "decoder", "front", "moved"],
    )


def notes(results: Results) -> list[str]:
    """What a reader must know: which weights, which budget, how it was timed."""
    told = []
    random = [backbone["name"] for backbone in results["backbones"] if backbone["weights"].startswith("random weights")]
    if random:
        told.append(
            f"RANDOM WEIGHTS: {', '.join(random)} never saw an image. What decoders get from them is a control, not a result."
        )
    told += list_protocol_notes(results)
    weights = "; ".join(f"{backbone['name']}: {backbone['weights']}" for backbone in results["backbones"])
    told.append(f"Weights: {weights}.")
    if results["match"] == "none":
        told.append("Decoders as they are: their sizes differ, and grow with the channels of the backbone.")
    else:
        told.append(
            f"Decoders matched on every backbone to {count(results['target'])} {COSTS[results['match']]} "
            f"({results['target_of']}), within 1 %; {results['baseline']} is a baseline and is not matched."
        )
    told.append(
        "params and MACs (multiply-accumulates for one image) of the whole model; front: nothing here has as high a median SROCC at a "
        "lower cost in it. Medians of models whose difference is undecided may stand in either order."
    )
    speeds = [row["speed"] for row in results["rows"] if row.get("speed")]
    if speeds:
        told.append(
            f"ms: one image through the whole model, median of {speeds[0]['rounds']} rounds in which all models take turns, on "
            f"{results['threads']} threads of this machine."
        )
    return told


def make_sentences(results: Results) -> list[str]:
    """What is undecided against the best at a lower cost, and whether decoders differ on the same backbone."""
    if results["best"] is None:
        return ["No SROCC is defined, so there is no best model."]
    lines = [f"The best median SROCC: {results['best']}."]
    cost = {row["model"]: row["budget"]["macs"] for row in results["rows"]}
    ties = [
        pair["second"]
        for pair in results["differences"]
        if pair["first"] == results["best"] and pair["tie"] and cost[pair["second"]] < cost[results["best"]]
    ]
    if ties:
        lines.append(f"Undecided against it at fewer MACs: {', '.join(ties)}.")
    for first, second in itertools.combinations(results["compared"], 2):
        pairs = [
            {**pair, "first": pair["decoders"][0], "second": pair["decoders"][1]}
            for pair in results["differences"]
            if set(pair["decoders"]) == {first, second}
        ]
        if pairs:
            lines.append(summarize_verdicts(f"{len(pairs)} backbones", pairs))
    random = [backbone["name"] for backbone in results["backbones"] if backbone["weights"].startswith("random weights")]
    if random:
        lines.append(f"RANDOM WEIGHTS in {', '.join(random)}: a control, not a result.")
    return lines


def make_figures(results: Results) -> dict[str, Figure]:
    """SROCC against MACs and against parameters, with the Pareto front; costs of zero cannot be drawn and are left out."""
    from iqa_zoo.reports.plots import plot_pareto

    random = any(backbone["weights"].startswith("random weights") for backbone in results["backbones"])
    where = (
        f"{format_data_name(results['data'])}, {len(results['splits'])} splits{', RANDOM WEIGHTS' if random else ''}"
    )
    figures = {}
    for cost, words in COSTS.items():
        points: dict[str, dict[str, tuple[float, Estimate]]] = {}
        for row in results["rows"]:
            if row["srocc"] and is_defined(row["srocc"]["median"]) and row["budget"][cost]:
                points.setdefault(row["decoder"], {})[row["backbone"]] = (
                    row["budget"][cost],
                    read_spread(row["srocc"]),
                )
        if points:
            figures[f"scaling_{cost}"] = plot_pareto(
                points,
                title=f"Quality and {words}: {where}",
                x_label=f"{words} of the whole model",
                y_label="SROCC, median and quartiles",
                apart=0.012,
            )
    return figures
