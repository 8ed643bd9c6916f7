"""Tables, sentences and plots of a study across datasets, made from its results alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.decoders import make_decoders_table
from iqa_zoo.reports.notes import describe_frozen_training, list_cache_notes, list_left_out_notes
from iqa_zoo.reports.shared import (
    describe_intervals,
    format_spread,
    label_differences,
    read_difference,
    select_defined,
    tabulate_differences,
)
from iqa_zoo.reports.table import Table, tabulate, tabulate_keys
from iqa_zoo.reports.verdicts import summarize_baseline, summarize_verdicts
from iqa_zoo.reports.warnings import failed_notes, leak_warnings, undefined_notes
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.training.selection import RULES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]


def make_tables(results: Results) -> list[Table]:
    """The datasets, the decoders, a matrix for each model, the differences, and the datasets that were left out."""
    tables = [_datasets(results), make_decoders_table(results)]
    tables += [_matrix(results, model) for model in _models(results)]
    if results["differences"]:
        tables.append(_differences(results))
    return tables + tabulate_keys("Left out", results["skipped"], ["dataset", "reason"])


def _models(results: Results) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in results["rows"]))


def _names(results: Results) -> list[str]:
    return [data["name"] for data in results["datasets"]]


def _datasets(results: Results) -> Table:
    cells = {
        "dataset": lambda data: data["name"],
        "labels": lambda data: data["label"].split(":")[0] + ("" if data["higher_is_better"] else ", lower is better"),
        "images": lambda data: str(data["images"]),
        "contents": lambda data: str(data["contents"]) if data["contents"] < data["images"] else "each image",
        "train / validation / test": lambda data: "{train} / {validation} / {test}".format(**data["parts"]),
        "splits": lambda data: str(len(data["splits"])),
    }
    proxies = [
        f"THE LABELS OF {data['name'].upper()} ARE A PROXY: {data['label'].partition(':')[2].strip()}."
        for data in results["datasets"]
        if data["label"].startswith("proxy")
    ]
    alike = [
        f"{data['name']}: {len(data['look_alikes'])} pairs of images that look the same are kept in one part."
        for data in results["datasets"]
        if data.get("look_alikes")
    ]
    notes = [*proxies, *alike, *leak_warnings(results)]
    return tabulate("The datasets", results["datasets"], cells, notes, left=["dataset", "labels"])


def _matrix(results: Results, model: str) -> Table:
    cells = {
        (row["train"], row["test"]): format_spread(row["srocc"]) for row in results["rows"] if row["model"] == model
    }
    names = _names(results)
    rows = [[train, *(cells.get((train, test), "failed") for test in names)] for train in names]
    notes = _notes(results) if model == _models(results)[0] else []
    return Table(f"{model}: median SROCC and quartiles", ["trained on", *names], rows, notes, left=["trained on"])


def _notes(results: Results) -> list[str]:
    runs = results.get("runs", [])
    return [
        "Rows: trained on the training part of each split; columns: tested on, of its own dataset the test part of the same split, of "
        "every other all images. Medians over the splits of the dataset in the row.",
        "Where the labels of two datasets run in opposite directions (MOS and DMOS), predictions are negated before they are "
        "correlated: a negative SROCC is a failure, not another direction.",
        describe_frozen_training(results),
        *list_left_out_notes(results),
        *list_cache_notes(results),
        f"Reported: {RULES[results['selection']]}.",
        *failed_notes(runs),
        *undefined_notes([{**run, "split": f"{run['split']}, tested on {run['test']}"} for run in runs]),
    ]


def _differences(results: Results) -> Table:
    several = any(pair["splits"] > 1 for pair in select_defined(results["differences"]))
    notes = [
        *describe_intervals(2 if several else 1, results["differences"]),
        "On another dataset the test images are the same in every split: more splits do not reduce the error of their choice.",
    ]
    columns = {"trained on": lambda pair: str(pair["train"]), "tested on": lambda pair: str(pair["test"])}
    return tabulate_differences(
        "Paired differences", results["differences"], notes, columns, left=list(columns), baseline=results["baseline"]
    )


def make_sentences(results: Results) -> list[str]:
    """Which of every two compared models is ahead on its own and on other datasets; and what leaks."""
    lines = leak_warnings(results)
    for first, second in itertools.combinations(results["compared"], 2):
        pairs = [pair for pair in results["differences"] if {pair["first"], pair["second"]} == {first, second}]
        own = [pair for pair in pairs if pair["train"] == pair["test"]]
        other = [pair for pair in pairs if pair["train"] != pair["test"]]
        lines += [summarize_verdicts(f"{len(own)} own test parts", own)] if own else []
        lines += [summarize_verdicts(f"{len(other)} pairs of datasets", other)] if other else []
    cells = list(dict.fromkeys(map(_place, results["differences"])))
    lines += summarize_baseline(
        results["differences"], results["baseline"], results["compared"], f"{len(cells)} training and test sets", _place
    )
    return lines


def _place(pair: Mapping[str, Any]) -> str:
    return f"{pair['train']} to {pair['test']}" if pair["train"] != pair["test"] else f"within {pair['train']}"


def make_figures(results: Results) -> dict[str, Figure]:
    """A matrix for each model, and the differences of the models, those to the baseline among them."""
    from iqa_zoo.reports.plots import plot_forest, plot_matrix

    names = _names(results)
    figures = {}
    for model in _models(results):
        cells = {
            (row["train"], row["test"]): row["srocc"]["median"] for row in results["rows"] if row["model"] == model
        }
        figures[f"matrix_{model}"] = plot_matrix(
            [[cells.get((train, test)) for test in names] for train in names],
            [f"trained on {name}" for name in names],
            [f"tested on {name}" for name in names],
            title=f"{model} on {results['backbone']}",
            label="median SROCC",
        )
    groups: dict[str, dict[str, Estimate]] = {}
    for pair in select_defined(results["differences"]):
        groups.setdefault(f"{pair['first']} - {pair['second']}", {})[_place(pair)] = read_difference(pair)
    if groups:
        title = f"{next(iter(groups)) if len(groups) == 1 else 'Differences between models'}, {results['backbone']}"
        figures["differences"] = plot_forest(groups, title=title, label=label_differences(results["differences"]))
    return figures
