"""Tables, sentences and plots of an ablation, made from its results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.decoders import SIZE_CELLS
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    COLUMNS,
    describe_intervals,
    format_difference,
    format_interval,
    format_moved,
    format_spread,
    format_verdict,
    read_difference,
    select_defined,
)
from iqa_zoo.reports.table import Table, tabulate, tabulate_keys
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
KINDS = {"whole": "whole", "both": "as it is (within the budget)", "as it is": "as it is", "matched": "matched",
         "baseline": "baseline, not matched"}  # fmt: skip


def make_tables(results: Results) -> list[Table]:
    """The variants against the whole decoder, and what could not be built."""
    pairs = {pair["first"]: pair for pair in results["differences"]}

    def describe_change(row: Results) -> str:
        return "; ".join(filter(None, [row["change"], format_moved(row["budget"])])) or "-"

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
    return [
        tabulate(title, results["rows"], cells, notes, left=[*names, "verdict"]),
        *tabulate_keys("Not built", results["refused"], ["variant", "change", "reason"]),
    ]


def make_sentences(results: Results) -> list[str]:
    """Which parts earned their parameters, and which differences are undecided."""
    if results["sensitivity"]:
        differences = results["differences"]
        ties = [pair["first"] for pair in differences if pair["tie"]]
        undefined = [pair["first"] for pair in differences if format_verdict(pair) == "undefined"]
        decided = [pair for pair in select_defined(differences) if not pair["tie"]]
        lines = [f"{pair['first']}: {pair['mean']:+.3f} {format_interval(pair)}." for pair in decided]
        lines.append(f"Undecided against {results['base']}: {', '.join(ties) or 'none'}.")
        return lines + ([f"Undefined: {', '.join(undefined)}."] if undefined else [])
    kind_of = {row["model"]: row["kind"] for row in results["rows"]}
    sentences = []
    for kind, condition in (("as it is", "As they are"), ("matched", "At one budget")):
        if pairs := [pair for pair in results["differences"] if kind_of[pair["first"]] in (kind, "both")]:
            sentences.append(f"{condition}: {_group_by_verdict(pairs)}.")
    return sentences


def _group_by_verdict(pairs: Iterable[Results]) -> str:
    parts: dict[str, list[str]] = {"worse": [], "better": [], "undecided": [], "undefined": []}
    for pair in pairs:
        name = pair["first"].removesuffix(", matched")
        side = format_verdict(pair, "better", "worse")
        parts[side].append(f"{name} ({pair['mean']:+.3f})" if side in ("worse", "better") else name)
    return "; ".join(f"{side}: {', '.join(names)}" for side, names in parts.items() if names)


def make_figures(results: Results) -> dict[str, Figure]:
    """The differences as intervals, or the sweeps as curves."""
    from iqa_zoo.reports.plots import plot_forest, plot_panels

    where = f"{results['data']['name']}, {results['data']['images']} images, {len(results['splits'])} splits, {results['backbone']}"
    if results["sensitivity"]:
        sweeps = _sweeps(results)
        title = f"{results['base']} by size: {where}"
        return {"sensitivity": plot_panels(sweeps, title=title, y_label="SROCC, mean", log=True)} if sweeps else {}
    kind_of = {row["model"]: (row["kind"], row["variant"]) for row in results["rows"]}
    groups: dict[str, dict[str, Estimate]] = {"as it is": {}, f"at the budget ({results['match']})": {}}
    for pair in select_defined(results["differences"]):
        kind, variant = kind_of[pair["first"]]
        for name, group in zip(("as it is", "matched"), groups.values(), strict=True):
            if kind in (name, "both"):
                group[variant] = read_difference(pair)
    groups = {name: group for name, group in groups.items() if group}
    if not groups:
        return {}
    label = f"SROCC minus that of {results['base']}, 95 % interval"
    return {"ablation": plot_forest(groups, title=f"{results['base']} with one change: {where}", label=label)}


def _sweeps(results: Results) -> dict[str, dict[str, list[tuple[float, Estimate]]]]:
    """Return by size the points (value, mean SROCC with the interval of its difference to the whole model)."""
    sroccs = [r["srocc"] for r in results["runs"] if "error" not in r and r["model"] == results["base"]]
    defined_sroccs = [srocc for srocc in sroccs if is_defined(srocc)]
    if not defined_sroccs:
        return {}
    whole = sum(defined_sroccs) / len(defined_sroccs)
    many: dict[str, dict[str, list[tuple[float, Estimate]]]] = {}
    for knob in results["sensitivity"]:
        points = [(float(_value(results, knob)), Estimate(whole, whole, whole))]
        for pair in select_defined(results["differences"]):
            name, _, value = pair["first"].partition("=")
            if name == knob:
                points.append((float(value), read_difference(pair, offset=whole)))
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
