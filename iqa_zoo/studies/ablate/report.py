"""Tables, sentences and plots of an ablation, made from its results alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.reports.decoders import SIZE_CELLS
from iqa_zoo.reports.marks import mark_pair
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    COLUMNS,
    describe_intervals,
    format_difference,
    format_interval,
    format_spread,
    format_verdict,
    label_differences,
    read_difference,
    select_defined,
)
from iqa_zoo.reports.table import Table, tabulate, tabulate_keys
from iqa_zoo.reports.verdicts import describe_pairs, explain_needed
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
KINDS = {
    "whole": "whole",
    "both": "as it is (within the budget)",
    "as it is": "as it is",
    "matched": "matched",
    "baseline": "baseline, not matched",
}


def make_tables(results: Results) -> list[Table]:
    """The variants against the whole decoder, and what could not be built."""
    pairs = {pair["first"]: pair for pair in results["differences"]}

    def describe_change(row: Results) -> str:
        return "; ".join(filter(None, [row["change"], format_moved(row["budget"]["moved"])])) or "-"

    def format_quality(row: Results) -> str:
        summary = results["summary"].get(row["model"])
        return format_spread(summary["srocc"]) if summary else "failed"

    def make_cell(i: int) -> Callable[[Results], str]:
        return lambda row: (
            format_difference(pairs[row["model"]], "better", "worse")[i] if row["model"] in pairs else "-"
        )

    names: dict[str, Callable[[Results], str]]
    if results["sensitivity"]:
        subject, names = f"How {results['base']} depends on its sizes", {"size": lambda row: row["model"]}
        note = "Sizes as they are: a larger one has more parameters."
    else:
        subject = f"What happens to {results['base']} without its parts"
        names = {
            "variant": lambda row: row["variant"],
            "size": lambda row: KINDS[row["kind"]],
            "change": describe_change,
        }
        note = f"matched: brought back to the whole decoder's {results['match']}, within 1 %."
    sizes = dict(zip(("params", "active", "MACs"), SIZE_CELLS.values(), strict=True))
    difference = {column: make_cell(i) for i, column in enumerate(("difference", *COLUMNS[1:]))}
    notes = [
        *list_protocol_notes(results),
        f"Difference: SROCC of the variant minus that of {results['base']}, the same splits and seeds.",
        *describe_intervals(len(results["splits"]), results["differences"]),
        note,
    ]
    cells = {**names, **sizes, "SROCC [quartiles]": format_quality, **difference}
    title = f"{subject}: {results['data']['name']}, decoders on {results['backbone']}"
    table = tabulate(title, results["rows"], cells, notes, left=[*names, "verdict", "would decide"])
    marks = [mark_pair(pairs[row["model"]]) if row["model"] in pairs else "" for row in results["rows"]]
    return [
        replace(table, marks=marks, marked="difference", bold="better or worse"),
        *tabulate_keys("Not built", results["refused"], ["variant", "change", "reason"]),
    ]


def make_sentences(results: Results) -> list[str]:
    """The verdict on every change: whether a part earned its parameters; then that on the whole model and the baseline."""
    rows = {row["model"]: row for row in results["rows"]}
    lines, against = [], []
    for pair in results["differences"]:
        if rows[pair["first"]]["kind"] == "baseline":
            against += describe_pairs([pair], pair["first"], [pair["second"]])
        else:
            lines.append(describe_change(pair, rows[pair["first"]]))
    return lines + against


def describe_change(pair: Results, row: Results) -> str:
    """Describe what a change does to the SROCC of a model, from the difference of the variant to the whole model.

    >>> row = dict(variant="without MoE", kind="matched", change="head: moe -> linear")
    >>> describe_change(dict(mean=-0.012, low=-0.02, high=-0.004, verdict="behind"), row)
    'without MoE, matched: costs 0.012 SROCC [0.004, 0.020]; the part earned its parameters.'
    >>> describe_change(dict(mean=0.001, low=-0.01, high=0.012, verdict="undecided", needed="about 9 splits"), row)
    'without MoE, matched: changes SROCC by +0.001 [-0.010, +0.012]; undecided; about 9 splits would decide, if mean and spread stay as they are.'
    """
    name = (
        row["variant"]
        if row["kind"] == "as it is" and row["change"] == ""
        else f"{row['variant']}, {KINDS[row['kind']]}"
    )
    if not is_defined(pair["mean"]):
        return f"{name}: undefined, as {pair['why']}."
    verdict = pair["verdict"]
    mean, low, high = (abs(pair[key]) for key in ("mean", "low", "high"))
    decided = f"{mean:.3f} SROCC [{min(low, high):.3f}, {max(low, high):.3f}]"
    known = f"changes SROCC by {pair['mean']:+.3f} {format_interval(pair)}"
    removed = row["variant"].startswith("without ")
    if verdict == "behind":
        return f"{name}: costs {decided}; {'the part earned its parameters' if removed else 'worse with the change'}."
    if verdict == "ahead":
        return f"{name}: gains {decided}; {'better without the part' if removed else 'better with the change'}."
    if verdict == "equivalent":
        side = "without the part, which has not earned its parameters" if removed else "with the change"
        return f"{name}: {known}; {format_verdict(pair)} {side}."
    return f"{name}: {known}; undecided{explain_needed(pair)}."


def make_figures(results: Results) -> dict[str, Figure]:
    """The differences as intervals, or the sweeps as curves."""
    from iqa_zoo.reports.plots import plot_forest, plot_panels

    where = f"{results['data']['name']}, {results['data']['images']} images, {count_nouns(len(results['splits']), 'split')}, {results['backbone']}"
    label = f"To {results['base']}: {label_differences(results['differences'])}"
    if results["sensitivity"]:
        sweeps = _sweeps(results)
        title = f"{results['base']} by size: {where}"
        return (
            {"sensitivity": plot_panels(sweeps, title=f"{title}\n{label}", y_label="SROCC difference", log=True)}
            if sweeps
            else {}
        )
    kind_of = {row["model"]: (row["kind"], row["variant"]) for row in results["rows"]}
    groups: dict[str, dict[str, Estimate]] = {"as it is": {}, f"at the budget ({results['match']})": {}}
    kinds = ("as it is", "both", "baseline"), ("matched", "both")
    for pair in select_defined(results["differences"]):
        kind, variant = kind_of[pair["first"]]
        for shown, group in zip(kinds, groups.values(), strict=True):
            if kind in shown:
                group[variant] = read_difference(pair)
    groups = {name: group for name, group in groups.items() if group}
    if not groups:
        return {}
    return {"ablation": plot_forest(groups, title=f"{results['base']} with one change: {where}", label=label)}


def _sweeps(results: Results) -> dict[str, dict[str, list[tuple[float, Estimate]]]]:
    """Return by size the points: its value, and the difference to the whole model, whose own is 0."""
    pairs = select_defined(results["differences"])
    many: dict[str, dict[str, list[tuple[float, Estimate]]]] = {}
    for knob in results["sensitivity"] if pairs else ():
        points = [(float(_value(results, knob)), Estimate(0.0, 0.0, 0.0, p_ahead=0.0, p_behind=0.0))]
        for pair in pairs:
            name, _, value = pair["first"].partition("=")
            if name == knob:
                points.append((float(value), read_difference(pair)))
        many[knob] = {"whole": sorted(points, key=lambda point: point[0])}
    return many


def _value(results: Results, knob: str) -> int:
    """Return the size of the whole model."""
    cfg = next(row["config"] for row in results["rows"] if row["kind"] == "whole")
    return {
        "queries": lambda: cfg["queries"]["num_queries"],
        "experts": lambda: cfg["head"]["num_experts"],
        "top-k": lambda: cfg["head"]["top_k"],
        "depth": lambda: sum(block["type"] == "cross_attention" for block in cfg["interactions"]),
        "dim": lambda: cfg["dim"],
    }[knob]()
