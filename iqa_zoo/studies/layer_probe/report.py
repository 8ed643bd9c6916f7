"""Tables, sentences and plots of a layer probe, made from its results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_intervals,
    format_data_name,
    format_spread,
    format_verdict,
    read_spread,
    tabulate_differences,
    tabulate_distortions,
)
from iqa_zoo.reports.table import Table, tabulate_keys
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
TITLES = {
    "deeper": "Each level against the one before it",
    "best": "The best level against the others",
    "trained": "Trained against random weights",
    "baseline": "All levels together (the baseline) against the best level",
}


def make_tables(results: Results) -> list[Table]:
    """SROCC by level, by distortion where the data names it, the paired differences, and what was left out."""
    cells = {"backbone": _name, "level": lambda row: row["level"], "head": lambda row: row["head"]}
    tables = [
        _levels(results),
        *tabulate_distortions("SROCC by distortion, median over the splits", results["rows"], cells),
    ]
    for what, title in TITLES.items():
        if pairs := [pair for pair in results["differences"] if pair["what"] == what]:
            tables.append(tabulate_differences(title, pairs, describe_intervals(len(results["splits"]), pairs)))
    return tables + tabulate_keys("Left out", results["refused"], ["backbone", "reason"])


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['backbone']}, random weights" if row["control"] else str(row["backbone"])


def _levels(results: Results) -> Table:
    heads = results["heads"]
    rows: dict[tuple[str, str], list[str]] = {}
    for row in results["rows"]:
        line = rows.setdefault((_name(row), row["level"]), [_name(row), row["level"], str(row["channels"])])
        line += ["-"] * (3 + heads.index(row["head"]) - len(line)) + [format_spread(row["srocc"])]
    together = [
        [_name(row), row["level"], str(row["channels"]), *("-" for _ in heads), format_spread(row["srocc"])]
        for row in results.get("baseline_rows", ())  # earlier versions had none
    ]
    lines = [[*line, *["-"] * (len(heads) + 3 - len(line) + bool(together))] for line in rows.values()]
    columns = [f"SROCC, {head}" for head in heads] + (["SROCC, baseline"] if together else [])
    return Table(
        f"Quality in each level, read from its mean over the image: {format_data_name(results['data'])}",
        ["backbone", "level", "channels", *columns],
        [*lines, *together],
        notes(results),
        left=["backbone", "level"],
    )


def notes(results: Results) -> list[str]:
    """The protocol, and a description of each head."""
    rate = results.get("linear_lr", results.get("baseline_lr"))  # the name in earlier versions
    heads = {
        "linear": f"one linear layer, trained as decoders are, with learning rate {rate:g}.",
        "ridge": "ridge regression in closed form on standardised channels, its strength by leave-one-out on all images that "
        "are not test.",
    }
    return [
        *list_protocol_notes(results),
        *(f"{head}: {text}" for head, text in heads.items() if head in results["heads"]),
        "Median over the splits and quartiles. Levels stand from the shallowest to the deepest.",
    ]


def make_sentences(results: Results) -> list[str]:
    """The best level, the levels that are undecided against it, the effect of depth, and the effect of training."""
    lines = []
    defined = [row for row in results["rows"] if is_defined(row["srocc"]["median"])]
    for each in results["probed"]:
        if not each["control"]:
            for head in results["heads"]:
                mine = [row for row in defined if (row["backbone"], row["head"]) == (each["backbone"], head)]
                trained = [row for row in mine if not row["control"]]
                if trained:
                    lines.append(_sentence(results, trained, [row for row in mine if row["control"]]))
    lines.append(
        "A mean over the image and a linear head show what a level holds in that form; a decoder that reads its cells may find more."
    )
    return lines


def _sentence(results: Results, rows: Sequence[Results], control: Sequence[Results]) -> str:
    pairs = {(pair["first"], pair["second"]): pair for pair in results["differences"]}
    best = max(rows, key=lambda row: row["srocc"]["median"])
    others = [row for row in rows if row is not best]
    ties = [row["level"] for row in others if _between(pairs, best["model"], row["model"]).get("tie", False)]
    text = f"{best['backbone']}, {best['head']}: best at {best['level']} ({best['srocc']['median']:.3f})"
    if others:
        text += f", undecided against {', '.join(ties)}" if ties else ", ahead of every other level"
        text += f"; {_order(rows, pairs)}; a decoder on it should read {' or '.join([best['level'], *ties])}"
    if control:
        top = max(control, key=lambda row: row["srocc"]["median"])
        text += f". With random weights the best is {top['srocc']['median']:.3f}, at {top['level']}"
    return text + "."


def _between(pairs: Mapping[tuple[str, str], Results], first: str, second: str) -> Results:
    return pairs.get((first, second)) or pairs.get((second, first)) or {}


def _order(rows: Sequence[Results], pairs: Mapping[tuple[str, str], Results]) -> str:
    """Describe whether deeper levels are better, from the levels that were compared."""
    worse = []
    for shallow, deep in combinations(rows, 2):
        pair = _between(pairs, deep["model"], shallow["model"])
        if pair and format_verdict(pair) == f"{shallow['model']} ahead":
            worse.append(f"{deep['level']} below {shallow['level']}")
    steps = [_between(pairs, deep["model"], shallow["model"]) for shallow, deep in pairwise(rows)]
    ties = sum(bool(step.get("tie")) for step in steps)
    if worse:
        return f"depth does not always help: {', '.join(worse)}"
    if not all(step and is_defined(step["mean"]) for step in steps):
        return "some steps of depth cannot be judged, as an SROCC is undefined"
    if ties == len(rows) - 1:
        return "no step of depth is decided"
    if ties:
        return f"deeper is better or undecided ({ties} of {len(rows) - 1} steps undecided)"
    return "every level is better than the one before it"


def make_figures(results: Results) -> dict[str, Figure]:
    """SROCC against depth, a line a backbone and its control; and by distortion, where the data names it."""
    from iqa_zoo.reports.plots import plot_curves, plot_matrix

    where = f"{format_data_name(results['data'])}, {results['data']['images']} images, {len(results['splits'])} splits"
    deepest = {each["backbone"]: len(each["levels"]) for each in results["probed"]}
    same = len(set(deepest.values())) == 1
    figures = {}
    for head in results["heads"]:
        series: dict[str, list[tuple[float, Estimate]]] = {}
        for row in results["rows"]:
            if row["head"] == head and is_defined(row["srocc"]["median"]):
                place = row["number"] if same else row["number"] / deepest[row["backbone"]]
                series.setdefault(_name(row), []).append((place, read_spread(row["srocc"])))
        figures[f"probe_{head}"] = plot_curves(
            series,
            title=f"Quality by depth, {head} head: {where}",
            x_label=("block" if results["every_block"] else "stage") if same else "depth, as a part of the backbone",
            y_label="SROCC, median and quartiles",
            apart=0.01,
        )
        rows = [row for row in results["rows"] if row["head"] == head and row["srocc_by_distortion"]]
        kinds = sorted({kind for row in rows for kind in row["srocc_by_distortion"]})
        if rows:
            figures[f"probe_{head}_by_distortion"] = plot_matrix(
                [[row["srocc_by_distortion"].get(kind) for kind in kinds] for row in rows],
                [f"{_name(row)}, {row['level']}" for row in rows],
                kinds,
                title=f"SROCC by distortion, {head} head: {where}",
                label="SROCC, median over the splits",
            )
    return figures
