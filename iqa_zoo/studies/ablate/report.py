"""Tables, sentences and plots of an ablation, made from its results alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

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
from iqa_zoo.reports.table import Table, count
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
CELLS = ("params", "active", "MACs", "SROCC [quartiles]", "difference", *COLUMNS[1:])
KINDS = {"whole": "whole", "both": "as it is (within the budget)", "as it is": "as it is", "matched": "matched"}


def make_tables(results: Results) -> list[Table]:
    """The variants against the whole decoder, and what could not be built."""
    tables = [_sensitivity(results) if results["sensitivity"] else _variants(results)]
    if results["refused"]:
        rows = [[row["variant"], row["change"], row["reason"]] for row in results["refused"]]
        columns = ["variant", "change", "reason"]
        tables.append(Table("Not built", columns, rows, left=columns))
    return tables


def _by_model(results: Results) -> dict[str, Results]:
    return {pair["first"]: pair for pair in results["differences"]}


def _cells(row: Results, results: Results, pair: Results | None) -> list[str]:
    decoder = row["budget"]["decoder"]
    summary = results["summary"].get(row["model"])
    quality = format_spread(summary["srocc"]) if summary else "failed"
    told = format_difference(pair, "better", "worse") if pair else ["-"] * len(COLUMNS)
    return [count(decoder["params"]), count(decoder["active_params"]), count(decoder["macs"]), quality, *told]


def _variants(results: Results) -> Table:
    pairs = _by_model(results)
    rows = []
    for row in results["rows"]:
        change = "; ".join(filter(None, [row["change"], format_moved(row["budget"])]))
        rows.append([row["variant"], KINDS[row["kind"]], change or "-", *_cells(row, results, pairs.get(row["model"]))])
    columns = ["variant", "size", "change", *CELLS]
    return Table(
        f"What happens to {results['base']} without its parts: {results['data']['name']}, decoders on {results['backbone']}",
        columns,
        rows,
        [*_notes(results), f"matched: brought back to the whole decoder's {results['match']}, within 1 %."],
        left=["variant", "size", "change", "verdict"],
    )


def _notes(results: Results) -> list[str]:
    return [
        *list_protocol_notes(results),
        f"Difference: SROCC of the variant minus that of {results['base']}, the same splits and seeds.",
        *describe_intervals(len(results["splits"]), results["differences"]),
    ]


def _sensitivity(results: Results) -> Table:
    pairs = _by_model(results)
    rows = [[row["model"], *_cells(row, results, pairs.get(row["model"]))] for row in results["rows"]]
    columns = ["size", *CELLS]
    return Table(
        f"How {results['base']} depends on its sizes: {results['data']['name']}, decoders on {results['backbone']}",
        columns,
        rows,
        [*_notes(results), "Sizes as they are: a larger one has more parameters."],
        left=["size", "verdict"],
    )


def make_sentences(results: Results) -> list[str]:
    """Which parts earned their parameters, and which differences are undecided."""
    if results["sensitivity"]:
        decided = [pair for pair in select_defined(results["differences"]) if not pair["tie"]]
        ties = [pair["first"] for pair in results["differences"] if pair["tie"]]
        undefined = [pair["first"] for pair in results["differences"] if format_verdict(pair) == "undefined"]
        lines = [f"{pair['first']}: {pair['mean']:+.3f} {format_interval(pair)}." for pair in decided]
        lines.append(f"Undecided against {results['base']}: {', '.join(ties) or 'none'}.")
        return lines + ([f"Undefined: {', '.join(undefined)}."] if undefined else [])
    kind_of = {row["model"]: row["kind"] for row in results["rows"]}
    sentences = []
    for kind, words in (("as it is", "As they are"), ("matched", "At one budget")):
        pairs = [pair for pair in results["differences"] if kind_of[pair["first"]] in (kind, "both")]
        if pairs:
            sentences.append(f"{words}: {_sorted_out(pairs)}.")
    return sentences


def _sorted_out(pairs: Iterable[Results]) -> str:
    parts: dict[str, list[str]] = {"worse": [], "better": [], "undecided": [], "undefined": []}
    for pair in pairs:
        name = pair["first"].removesuffix(", matched")
        side = format_verdict(pair, "better", "worse")
        parts[side].append(f"{name} ({pair['mean']:+.3f})" if side in ("worse", "better") else name)
    return "; ".join(f"{side}: {', '.join(names)}" for side, names in parts.items() if names)


def make_figures(results: Results) -> dict[str, Figure]:
    """The differences as a plot_forest, or the sweeps as curves."""
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
    """By size: (value, mean SROCC over the splits, with the interval of its difference to the whole)."""
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
    """The size that the whole model has."""
    cfg = next(row["config"] for row in results["rows"] if row["kind"] == "whole")
    return {
        "queries": lambda: cfg["queries"]["num_queries"],
        "experts": lambda: cfg["head"]["num_experts"],
        "top-k": lambda: cfg["head"]["top_k"],
        "depth": lambda: sum(block["type"] == "cross_attention" for block in cfg["interactions"]),
        "dim": lambda: cfg["dim"],
    }[knob]()
