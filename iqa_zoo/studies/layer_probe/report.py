"""Tables, sentences and plots of a layer probe, made from its results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.marks import Pair
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_choice,
    describe_intervals,
    format_data_name,
    format_spread,
    read_spread,
    select_defined,
    tabulate_differences,
    tabulate_distortions,
)
from iqa_zoo.reports.table import Table, tabulate_keys
from iqa_zoo.reports.verdicts import count_verdicts, describe_pair, explain_needed, group_by_verdict, orient_pair
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns

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
        *(
            [describe_choice("The best level of a backbone", results.get("possible_pairs"))]
            if results["differences"]
            else []
        ),
    ]


def make_sentences(results: Results) -> list[str]:
    """The best level, the verdict on it against every other, the effect of depth, and the effect of training."""
    lines = []
    defined = [row for row in results["rows"] if is_defined(row["srocc"]["median"])]
    for each in results["probed"]:
        if not each["control"]:
            for head in results["heads"]:
                mine = [row for row in defined if (row["backbone"], row["head"]) == (each["backbone"], head)]
                trained = [row for row in mine if not row["control"]]
                if trained:
                    lines += _describe_backbone(results, trained, [row for row in mine if row["control"]])
    lines.append(
        "A mean over the image and a linear head show what a level holds in that form; a decoder that reads its cells may get more from it."
    )
    return lines


def _describe_backbone(results: Results, rows: Sequence[Results], control: Sequence[Results]) -> list[str]:
    pairs = results["differences"]
    best = max(rows, key=lambda row: row["srocc"]["median"])
    others = {row["level"]: _find(pairs, best["model"], row["model"]) for row in rows if row is not best}
    name = f"{best['backbone']}, {best['head']}"
    text = f"{name}: best at {best['level']} ({best['srocc']['median']:.3f})"
    if others:
        rivals = [level for level, pair in others.items() if pair is None or pair["verdict"] != "ahead"]
        text += f", {_describe_others(others)}; {_describe_depth(rows, pairs)}"
        text += f"; a decoder on it should read {' or '.join([best['level'], *rivals])}"
    if control:
        top = max(control, key=lambda row: row["srocc"]["median"])
        text += f". With random weights the best is {top['srocc']['median']:.3f}, at {top['level']}"
        names = {row["model"] for row in rows}
        trained = [pair for pair in select_defined(pairs) if pair["what"] == "trained" and pair["first"] in names]
        if trained:
            text += f"; trained against random, level by level: {count_verdicts(trained)}"
    together = [pair for pair in pairs if pair["what"] == "baseline" and pair["second"] == best["model"]]
    needed = [
        f"{name}: {best['level']} against {level}: undecided{explain_needed(pair)}."
        for level, pair in others.items()
        if pair and pair["verdict"] == "undecided" and pair["needed"]
    ]
    return [f"{text}.", *needed, *map(describe_pair, together)]


def _find(pairs: Sequence[Results], first: str, second: str) -> Pair | None:
    """Find the difference of two levels, as first minus second; None where they were not compared or it is undefined."""
    found = next((pair for pair in pairs if {pair["first"], pair["second"]} == {first, second}), None)
    return orient_pair(found, first) if found is not None and is_defined(found["mean"]) else None


def _describe_others(others: Mapping[str, Pair | None]) -> str:
    """Return the verdicts on the best level against the others in a phrase."""
    if all(pair and pair["verdict"] == "ahead" for pair in others.values()):
        return "ahead of every other level"
    phrases = {"ahead": "ahead of", "equivalent": "equivalent to", "undecided": "undecided against", "behind": "behind"}
    grouped = group_by_verdict({**pair, "level": level} for level, pair in others.items() if pair)
    found = [f"{phrases[verdict]} {', '.join(pair['level'] for pair in mine)}" for verdict, mine in grouped.items()]
    if unknown := [level for level, pair in others.items() if not pair]:
        found.append(f"not compared to {', '.join(unknown)}")
    return ", ".join(found)


def _describe_depth(rows: Sequence[Results], pairs: Sequence[Results]) -> str:
    """Describe whether deeper levels are better, from the levels that were compared."""
    worse = [
        f"{deep['level']} below {shallow['level']}"
        for shallow, deep in combinations(rows, 2)
        if (pair := _find(pairs, deep["model"], shallow["model"])) and pair["verdict"] == "behind"
    ]
    if worse:
        return f"depth does not always help: {', '.join(worse)}"
    steps = [_find(pairs, deep["model"], shallow["model"]) for shallow, deep in pairwise(rows)]
    known = [step for step in steps if step]
    if len(known) < len(steps):
        return "some steps of depth cannot be judged, as an SROCC is undefined"
    if all(step["verdict"] == "ahead" for step in known):
        return "every level is better than the one before it"
    return f"each level against the one before it: {count_verdicts(known)}"


def make_figures(results: Results) -> dict[str, Figure]:
    """SROCC against depth, a line a backbone and its control; and by distortion, where the data names it."""
    from iqa_zoo.reports.plots import plot_curves, plot_matrix

    where = f"{format_data_name(results['data'])}, {results['data']['images']} images, {count_nouns(len(results['splits']), 'split')}"
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
