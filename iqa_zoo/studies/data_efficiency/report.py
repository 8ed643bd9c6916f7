"""Tables, sentences and plots of a study of data efficiency, made from its results alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.decoders import make_decoders_table
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_intervals,
    format_data_name,
    format_number,
    format_spread,
    label_differences,
    read_difference,
    read_spread,
    select_defined,
    tabulate_differences,
)
from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.reports.verdicts import summarize_baseline, summarize_verdicts
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
Curve = Sequence[tuple[float, float]]


def images_to_reach(curve: Curve, target: float) -> float | None:
    """Return the number of images at which a curve of (images, SROCC) first reaches a target, interpolated linearly.

    It is that of the first point if this one reaches the target, and None if no point does.

    >>> curve = [(100, 0.5), (200, 0.7), (300, 0.75)]
    >>> images_to_reach(curve, 0.6), images_to_reach(curve, 0.4), images_to_reach(curve, 0.8)
    (150.0, 100.0, None)
    """
    previous: tuple[float, float] | None = None
    for images, value in sorted(curve):
        if value >= target:
            if previous is None:
                return float(images)
            share = (target - previous[1]) / (value - previous[1])
            return previous[0] + share * (images - previous[0])
        previous = images, value
    return None


def make_tables(results: Results) -> list[Table]:
    """The decoders, SROCC by share, differences by share, and how much data one needs to reach another."""
    tables = [make_decoders_table(results), _quality(results)]
    if results["differences"]:
        tables.append(_differences(results))
    if len(results["shares"]) > 1 and len(_models(results)) > 1:
        tables.append(_reach(results))
    return tables


def _models(results: Results) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in results["rows"]))


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g} %"


def _quality(results: Results) -> Table:
    cells = {(row["model"], row["fraction"]): format_spread(row["srocc"]) for row in results["rows"]}
    shares = results["shares"]
    rows = [
        [model, *(cells.get((model, share["fraction"]), "failed") for share in shares)] for model in _models(results)
    ]
    columns = ["model", *(f"{_percent(share['fraction'])} ({share['images']})" for share in shares)]
    return Table(
        f"Median SROCC and quartiles by share of the training part (images): {results['data']['name']}, decoders on {results['backbone']}",
        columns,
        rows,
        [*list_protocol_notes(results), *share_notes(results)],
    )


def share_notes(results: Results) -> list[str]:
    """How the shares were drawn and for how long each was trained."""
    shares, data = results["shares"], results["data"]
    by = "content" if data["contents"] < data["images"] else "image"
    listed = {what: ", ".join(f"{share[what]}" for share in shares) for what in ("epochs", "steps")}
    equal = {
        "steps": f"Steps are held equal, as nearly as whole epochs allow ({listed['steps']}): a smaller share is passed more "
        f"often ({listed['epochs']} epochs), so that the data differ and the length of the training does not. It also has "
        "more epochs to be selected from.",
        "epochs": f"Epochs are held equal ({listed['epochs']}): a smaller share makes fewer steps ({listed['steps']}), so that less data "
        "and a shorter training cannot be distinguished.",
    }
    return [
        f"Shares of each split's training part drawn by {by}, each inside the next, the same for every model; the validation and "
        "test parts stay.",
        equal[results["equal"]],
    ]


def _differences(results: Results) -> Table:
    pairs = results["differences"]
    notes = describe_intervals(len(results["splits"]), pairs)
    if len(results["splits"]) > 1:
        notes.append(
            "The correction is that of the whole training part at every share: the test parts overlap as much, the "
            "smaller training parts less."
        )
    columns = {"share": lambda pair: _percent(pair["fraction"]), "images": lambda pair: str(pair["images"])}
    return tabulate_differences("Paired differences at each share", pairs, notes, columns, baseline=results["baseline"])


def reached(results: Results) -> list[Results]:
    """Compute for every two models how many images the first needs for the SROCC of the second with all of its data.

    ``images`` (None: not reached) is interpolated in the medians; ``in_splits`` of ``splits`` counts the splits on which
    its curve reaches the SROCC of the other on the same split. Undefined values are no points of a curve and no targets.
    """
    runs = [run for run in results["runs"] if "error" not in run and is_defined(run["srocc"])]
    measured = [row for row in results["rows"] if is_defined(row["srocc"]["median"])]
    largest, rows = _largest(results), []
    for model, other in itertools.permutations(_models(results), 2):
        curve = [(row["images"], row["srocc"]["median"]) for row in measured if row["model"] == model]
        target = [row["srocc"] for row in measured if (row["model"], row["fraction"]) == (other, largest)]
        if not target or not curve:
            continue
        there = [run for run in runs if (run["model"], run["fraction"]) == (other, largest)]
        best: dict[str, float] = {}  # by split
        for run in runs:
            if run["model"] == model:
                best[run["whole"]] = max(run["srocc"], best.get(run["whole"], -1))
        rows.append(
            {
                "model": model,
                "other": other,
                "srocc": target[0]["median"],
                "images": images_to_reach(curve, target[0]["median"]),
                "fewest": min(images for images, _ in curve),
                "whole": max(images for images, _ in curve),
                "in_splits": sum(best.get(run["whole"], -1) >= run["srocc"] for run in there),
                "splits": len(there),
            }
        )
    return rows


def _reach(results: Results) -> Table:
    notes = [
        "Interpolated linearly between the shares in the median SROCC, where it is first reached; no interval: where the "
        "differences above are undecided, so is this. The last column: in how many splits any share of the model reaches "
        "the SROCC of the other on the same split (the best of several shares counts, which is in the model's favour)."
    ]
    cells = {
        "model": lambda row: row["model"],
        "to reach": lambda row: row["other"],
        f"its SROCC at {_percent(_largest(results))}": lambda row: format_number(row["srocc"]),
        "images needed": _needed,
        "reached in splits": lambda row: f"{row['in_splits']} of {row['splits']}",
    }
    title = "How much data a model needs to reach another"
    return tabulate(title, reached(results), cells, notes, left=["model", "to reach"])


def _largest(results: Results) -> float:
    return float(max(share["fraction"] for share in results["shares"]))


def _needed(row: Results) -> str:
    if row["images"] is None:
        return "not reached"
    if row["images"] <= row["fewest"]:
        return f"at most {row['fewest']:g} ({row['fewest'] / row['whole']:.0%})"
    return f"{row['images']:.0f} ({row['images'] / row['whole']:.0%})"


def make_sentences(results: Results) -> list[str]:
    """For every two compared models: at how many shares each is ahead, and the data that would make them equal."""
    compared = [model for model in _models(results) if model != results["baseline"]]
    lines = []
    for first, second in itertools.combinations(compared, 2):
        pairs = [pair for pair in results["differences"] if (pair["first"], pair["second"]) == (first, second)]
        if pairs:
            lines.append(summarize_verdicts(f"{len(pairs)} shares", pairs))
    lines += summarize_baseline(
        results["differences"],
        results["baseline"],
        compared,
        f"{len(results['shares'])} shares",
        lambda pair: _percent(pair["fraction"]),
    )
    largest = _largest(results)
    ahead = {
        (pair["first"], pair["second"])[:: 1 if pair["verdict"] == "ahead" else -1]
        for pair in select_defined(results["differences"])
        if pair["verdict"] in ("ahead", "behind") and pair["fraction"] == largest
    }
    for row in reached(results):
        if (row["model"], row["other"]) in ahead and row["other"] in compared and row["images"] is not None:
            lines.append(
                f"{row['model']} reaches what {row['other']} has with all of the data with {_needed(row)} images (interpolated)."
            )
    return lines


def make_figures(results: Results) -> dict[str, Figure]:
    """SROCC against images to train on, and the differences of the models, those to the baseline among them."""
    from iqa_zoo.reports.plots import plot_curves

    where = (
        f"{format_data_name(results['data'])}, {results['backbone']}, {count_nouns(len(results['splits']), 'split')}"
    )
    lines: dict[str, list[tuple[float, Estimate]]] = {model: [] for model in _models(results)}
    for row in results["rows"]:
        if is_defined(row["srocc"]["median"]):
            lines[row["model"]].append((row["images"], read_spread(row["srocc"])))
    x_label, y_label = "images to train on", "SROCC, median and quartiles"
    title = f"Data efficiency: {where}"
    figures = {"data_efficiency": plot_curves(lines, title=title, x_label=x_label, y_label=y_label, apart=0.012)}
    apart: dict[str, list[tuple[float, Estimate]]] = {}
    for pair in select_defined(results["differences"]):
        apart.setdefault(f"{pair['first']} - {pair['second']}", []).append((pair["images"], read_difference(pair)))
    if apart:
        title = f"{next(iter(apart)) if len(apart) == 1 else 'Differences'}: {where}"
        y_label = label_differences(results["differences"])
        figures["differences"] = plot_curves(
            apart, title=title, x_label=x_label, y_label=y_label, apart=0.012, differences=True
        )
    return figures
