"""The tables, sentences and figure of a comparison, made from its results alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.decoders import describe_place, list_unmatched_notes, make_decoders_table
from iqa_zoo.reports.marks import mark_best
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.ratings import make_rater_tables
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
    tabulate_distortions,
)
from iqa_zoo.reports.table import Table, count, tabulate
from iqa_zoo.reports.verdicts import describe_pairs
from iqa_zoo.reports.warnings import leak_warnings
from iqa_zoo.stats.summary import is_defined, summarize_values
from iqa_zoo.studies.tuning.report import make_tuning_sentences, make_tuning_tables
from iqa_zoo.training.selection import RULES
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
PROTOCOLS = {"frozen": "decoders", "end-to-end": "trained end to end"}


def make_tables(results: Results) -> list[Table]:
    """Every table that the results have the numbers for: published models, matched decoders, quality, differences."""
    tables = []
    if results.get("published"):
        tables.append(_published(results))
    if results.get("matched"):
        tables.append(replace(make_decoders_table(results), title=f"(b) The decoders {describe_place(results)}"))
    if results.get("summary"):
        tables += [_quality(results), *_by_distortion(results)]
    if results.get("differences"):
        tables.append(_differences(results))
    tables += make_tuning_tables(results)
    if results.get("rules"):
        tables.append(_rules(results))
    return [*tables, *make_rater_tables(results.get("raters")), *_test_sets(results)]


def make_sentences(results: Results) -> list[str]:
    """Return one sentence per pair of compared models, and per compared model and the baseline."""
    pairs = describe_pairs(results.get("differences", []), results["baseline"], results.get("compared", []))
    return [*pairs, *make_tuning_sentences(results)]


def _published(results: Results) -> Table:
    rows = results["published"]
    only = [dict(model=f"{title} (no model)", published=quality)
            for title, quality in results.get("published_only", {}).items() if quality]  # fmt: skip
    speeds = [row["speed"] for row in rows if row.get("speed")]
    notes = [
        "MACs: multiply-accumulates of matrix products and convolutions for one image; active: parameters one token meets.",
    ]
    if any(row.get("published") for row in rows):
        notes.append(
            f"Published: SROCC / PLCC on {results['published_on']} from the model card, under the paper's own protocol; not measured here."
        )
    if only:
        notes.append(
            "No model: the publications of a system lack what is needed to build it; its card lists what is known."
        )
    if speeds:
        notes.append(
            f"Latency at batch 1 and throughput at batch {speeds[0]['batch']}: medians of {speeds[0]['rounds']} rounds, the models in turn, "
            f"on this machine ({results['threads']} threads)."
        )

    def known(key: str, form: Callable[[Any], str]) -> Callable[[Results], str]:
        return lambda row: form(row[key]) if row.get(key) else "-"

    cells = {
        "model": known("model", str),
        "backbone": known("backbone", str),
        "params": known("budget", lambda budget: count(budget["params"])),
        "decoder": known("budget", lambda budget: count(budget["decoder"]["params"])),
        "share": known("budget", lambda budget: f"{budget['decoder']['params'] / budget['params']:.1%}"),
        "active": known("budget", lambda budget: count(budget["active_params"])),
        "MACs": known("budget", lambda budget: count(budget["macs"])),
        "ms": known("speed", lambda speed: f"{speed['latency_ms']:.0f}"),
        "images/s": known("speed", lambda speed: f"{speed['images_per_second']:.1f}"),
        "published": known("published", lambda quality: f"{quality[0]:.3f} / {quality[1]:.3f}"),
    }
    return tabulate("(a) The models as published", [*rows, *only], cells, notes, left=["model", "backbone"])


def _quality(results: Results) -> Table:
    title = (
        f"(c) Quality, measured: {results['data']['name']}, {PROTOCOLS[results['protocol']]} {describe_place(results)}"
    )
    cells: dict[str, Callable[[Any], str]] = {
        "model": lambda row: row[0],
        "SROCC [quartiles]": lambda row: format_spread(row[1]["srocc"]),
        "PLCC [quartiles]": lambda row: format_spread(row[1]["plcc"]),
        "PLCC logistic-4": lambda row: format_number(row[1]["plcc_logistic4"]["median"]),
        "KROCC": lambda row: format_number(row[1]["krocc"]["median"]),
        "RMSE": lambda row: format_number(row[1]["rmse"]["median"], ".2f"),
        "s/split": lambda row: f"{row[1]['seconds']:.1f}",
    }
    table = tabulate(title, results["summary"].items(), cells, list_protocol_notes(results))
    medians = {model: row["srocc"]["median"] for model, row in results["summary"].items()}
    marks = mark_best(medians, results.get("differences", []))
    bold, dagger = "ahead of all others", "undecided between the best median and these"
    return replace(table, marks=marks, marked="SROCC [quartiles]", bold=bold, dagger=dagger)


def _by_distortion(results: Results) -> list[Table]:
    rows = [
        {"model": model, "srocc_by_distortion": row.get("srocc_by_distortion", {})}
        for model, row in results["summary"].items()
    ]
    return tabulate_distortions("Median SROCC by distortion", rows, {"model": lambda row: row["model"]})


def _differences(results: Results) -> Table:
    splits, pairs = len(results["splits"]), results["differences"]
    title = "Paired differences over the splits" if splits > 1 else "Paired differences on the split"
    return tabulate_differences(
        title, pairs, [*describe_intervals(splits, pairs), *list_unmatched_notes(results)], baseline=results["baseline"]
    )


def _rules(results: Results) -> Table:
    """Return the result of the same trainings under each selection rule."""
    rules = [rule for rule in RULES if all(rule in row for row in results["rules"].values())]
    rows = []
    for model, row in results["rules"].items():
        cells = [f"{format_number(row[rule]['srocc'])} ({format_epoch(row[rule]['epoch'])})" for rule in rules]
        honest = results["selection"] if results["selection"] != "test-oracle" else rules[0]
        both = row["test-oracle"]["srocc"], row[honest]["srocc"]
        rows.append([model, *cells, f"{both[0] - both[1]:+.3f}" if all(map(is_defined, both)) else "-"])
    notes = [
        "Median test SROCC of the same trainings under each rule. test-oracle chooses the epoch by the test part itself, as the released "
        "codes of both papers do: its number is no estimate for other images. The last column is what it adds."
    ]
    if "validation" not in rules:
        notes.append(
            "No validation part was held out here: --selection validation holds one out and reports that rule as well."
        )
    return Table("What each selection rule would have reported", ["model", *rules, "peeking adds"], rows, notes)


def format_epoch(median: float) -> str:
    """Format a median of epochs; between two, as both.

    >>> format_epoch(12), format_epoch(7.5)
    ('epoch 12', 'epochs 7 to 8')
    """
    return f"epoch {median:g}" if float(median).is_integer() else f"epochs {int(median)} to {int(median) + 1}"


def _test_sets(results: Results) -> list[Table]:
    """Return one table for each other dataset that the trained models were tested on."""
    done = [run for run in results.get("runs", []) if "error" not in run]
    columns = ["model", "SROCC [quartiles]", "PLCC [quartiles]", "KROCC [quartiles]"]
    trained_on, tables = results["data"]["name"] if done else "", []
    for name in done[0].get("test_sets", {}) if done else {}:
        rows = []
        for model in results["summary"]:
            mine = [run["test_sets"][name] for run in done if run["model"] == model]
            values = [[record[metric] for record in mine] for metric in ("srocc", "plcc", "krocc")]
            rows.append([model, *(format_spread(asdict(summarize_values(each))) for each in values)])
        notes = [
            f"Trained on {trained_on} as above, tested on all {len(done[0]['test_sets'][name]['predictions'])} images "
            f"of {name}, medians over the same trainings. Where its scores run the other way, predictions are negated first. "
            "Errors are left out: the scales differ.",
            *leak_warnings(results, trained_on, name),
        ]
        tables.append(Table(f"Cross-dataset: {trained_on} to {name}", columns, rows, notes))
    return tables


def make_figures(results: Results) -> dict[str, Figure]:
    """The paired differences with intervals and verdicts, quality against size, and the splits; none without two models."""
    from iqa_zoo.reports.plots import plot_forest

    pairs = select_defined(results.get("differences", []))
    if not pairs:
        return {}
    rows = {f"{pair['first']} - {pair['second']}": read_difference(pair) for pair in pairs}
    splits = count_nouns(len(results["splits"]), "split")
    where = f"{format_data_name(results['data'])}, {splits}, {describe_place(results)}"
    forest = plot_forest({"differences": rows}, title=f"Differences on {where}", label=label_differences(pairs))
    return {"differences": forest, **_plot_costs(results, where), **_plot_splits(results, where)}


def _plot_costs(results: Results, where: str) -> dict[str, Figure]:
    """Quality against parameters and MACs: of the decoders, or of whole models that have their own backbones."""
    from iqa_zoo.reports.quality_plots import plot_costs

    whole = results["backbone"] == "own"
    quality = {
        model: read_spread(row["srocc"])
        for model, row in results.get("summary", {}).items()
        if is_defined(row["srocc"]["median"])
    }
    sizes = {row["model"]: row["budget"] if whole else row["budget"]["decoder"] for row in results.get("matched", [])}
    what, baseline = "model" if whole else "decoder", results["baseline"]
    panels = {}
    for key, name in (("params", "parameters"), ("macs", "MACs")):
        costs = {model: sizes[model].get(key) for model in quality if model in sizes and model != baseline}
        if panel := {model: (float(cost), quality[model]) for model, cost in costs.items() if cost}:
            panels[f"{name} of the {what}"] = panel
    if not panels:
        return {}
    line = (baseline, quality[baseline]) if baseline in quality else None
    label = "SROCC, median and quartiles"
    return {"cost": plot_costs(panels, line=line, title=f"Quality against size: {where}", y_label=label)}


def _plot_splits(results: Results, where: str) -> dict[str, Figure]:
    """The SROCC of every model on every split; none with one split."""
    from iqa_zoo.reports.quality_plots import plot_splits

    scores = {(run["model"], run["split"]): run.get("srocc") for run in results.get("runs", [])}
    splits = list(dict.fromkeys(split for _, split in scores))
    models = [model for model in results.get("summary", {}) if any((model, split) in scores for split in splits)]
    if len(splits) < 2 or not models:
        return {}
    series = {model: [scores.get((model, split)) for split in splits] for model in models}
    label = "SROCC; a line joins the models on one split, bars are medians"
    return {"splits": plot_splits(series, title=f"Every split: {where}", x_label=label)}
