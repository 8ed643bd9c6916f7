"""Tables, sentences and plots of a study of backbone sizes, made from its results alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_choice,
    describe_intervals,
    format_data_name,
    format_spread,
    read_spread,
    select_defined,
    tabulate_differences,
)
from iqa_zoo.reports.table import Table, count, tabulate, tabulate_keys
from iqa_zoo.reports.verdicts import summarize_baseline, summarize_verdicts
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns

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
    baseline = results["baseline"]
    if best:
        note = describe_choice(f"The best, {results['best']},", results.get("possible_pairs"))
        tables.append(
            tabulate_differences("Paired differences to the best", best, [*intervals, note], baseline=baseline)
        )
    if same:
        tables.append(
            tabulate_differences(
                "Paired differences of decoders on the same backbone", same, intervals, baseline=baseline
            )
        )
    return tables + tabulate_keys("Left out", results["refused"], ["backbone", "model", "reason"])


def _models(results: Results) -> Table:
    def list_fronts(row: Results) -> str:
        return ", ".join(name for cost, name in COSTS.items() if row["model"] in results["front"][cost]) or "-"

    def describe_change(row: Results) -> str:
        is_baseline = row["decoder"] == results["baseline"]
        return "baseline, not matched" if is_baseline else format_moved(row["budget"]["moved"]) or "as it is"

    cells = {
        "backbone": lambda row: row["backbone"],
        "decoder": lambda row: row["decoder"],
        "params": lambda row: count(row["budget"]["params"]),
        "of it decoder": lambda row: count(row["budget"]["decoder"]["params"]),
        "MACs": lambda row: count(row["budget"]["macs"]),
        "ms": lambda row: f"{row['speed']['latency_ms']:.1f}" if row.get("speed") else "-",
        "SROCC": lambda row: format_spread(row["srocc"]) if row["srocc"] else "failed",
        "front": list_fronts,
        "moved": describe_change,
    }
    title = f"Backbones of several sizes, median SROCC and quartiles: {results['data']['name']}"
    left = ["backbone", "decoder", "front", "moved"]
    return tabulate(title, results["rows"], cells, notes(results), left)


def _list_random(results: Results) -> list[str]:
    return [each["name"] for each in results["backbones"] if each["weights"].startswith("random weights")]


def notes(results: Results) -> list[str]:
    """The weights, the budget and the timing."""
    weights = "; ".join(f"{backbone['name']}: {backbone['weights']}" for backbone in results["backbones"])
    lines = [*list_protocol_notes(results), f"Weights: {weights}."]
    if random := _list_random(results):
        lines.insert(
            0,
            f"RANDOM WEIGHTS: {', '.join(random)} never saw an image. What decoders get from them is a control, not a result.",
        )
    if results["match"] == "none":
        lines.append("Decoders as they are: their sizes differ, and grow with the channels of the backbone.")
    else:
        lines.append(
            f"Decoders matched on every backbone to {count(results['target'])} {COSTS[results['match']]} "
            f"({results['target_of']}), within 1 %; {results['baseline']} is a baseline and is not matched."
        )
    lines.append(
        "params and MACs (multiply-accumulates for one image) of the whole model; front: nothing here has as high a median SROCC at a "
        "lower cost in it. Medians of models whose difference is undecided may stand in either order."
    )
    if speeds := [row["speed"] for row in results["rows"] if row.get("speed")]:
        lines.append(
            f"ms: one image through the whole model, median of {speeds[0]['rounds']} rounds in which all models take turns, on "
            f"{results['threads']} threads of this machine."
        )
    return lines


def make_sentences(results: Results) -> list[str]:
    """What is undecided against the best at a lower cost, and whether decoders differ on the same backbone."""
    if results["best"] is None:
        return ["No SROCC is defined, so there is no best model."]
    lines = [f"The best median SROCC: {results['best']}."]
    cost = {row["model"]: row["budget"]["macs"] for row in results["rows"]}
    cheaper = [
        pair
        for pair in results["differences"]
        if pair["first"] == results["best"] and cost[pair["second"]] < cost[results["best"]]
    ]
    for verdict, phrase in (("equivalent", "Equivalent to it"), ("undecided", "Undecided against it")):
        if found := [pair for pair in select_defined(cheaper) if pair["verdict"] == verdict]:
            margin = f" within {found[0]['margin']:g}" if verdict == "equivalent" else ""
            lines.append(f"{phrase}{margin} at fewer MACs: {', '.join(pair['second'] for pair in found)}.")
    same = [
        {**pair, "first": pair["decoders"][0], "second": pair["decoders"][1], "on": _read_backbone(pair)}
        for pair in results["differences"]
        if pair["decoders"]
    ]
    for first, second in itertools.combinations(results["compared"], 2):
        pairs = [pair for pair in same if set(pair["decoders"]) == {first, second}]
        if pairs:
            lines.append(summarize_verdicts(f"{len(pairs)} backbones", pairs))
    lines += summarize_baseline(
        same,
        results["baseline"],
        results["compared"],
        f"{len(results['backbones'])} backbones",
        lambda pair: str(pair["on"]),
    )
    if random := _list_random(results):
        lines.append(f"RANDOM WEIGHTS in {', '.join(random)}: a control, not a result.")
    return lines


def _read_backbone(pair: Results) -> str:
    return str(pair["first"]).removeprefix(f"{pair['decoders'][0]} on ")


def make_figures(results: Results) -> dict[str, Figure]:
    """SROCC against MACs and against parameters, with the Pareto front; costs of zero cannot be drawn and are left out."""
    from iqa_zoo.reports.plots import plot_pareto

    random = ", RANDOM WEIGHTS" if _list_random(results) else ""
    where = f"{format_data_name(results['data'])}, {count_nouns(len(results['splits']), 'split')}{random}"
    figures = {}
    for cost, name in COSTS.items():
        points: dict[str, dict[str, tuple[float, Estimate]]] = {}
        for row in results["rows"]:
            if row["srocc"] and is_defined(row["srocc"]["median"]) and row["budget"][cost]:
                point = row["budget"][cost], read_spread(row["srocc"])
                points.setdefault(row["decoder"], {})[row["backbone"]] = point
        if points:
            figures[f"scaling_{cost}"] = plot_pareto(
                points,
                title=f"Quality and {name}: {where}",
                x_label=f"{name} of the whole model",
                y_label="SROCC, median and quartiles",
                apart=0.012,
            )
    return figures
