"""The tables of a comparison, made from its results alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.decoders import describe_place, list_unmatched_notes, make_decoders_table
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_intervals,
    format_by_distortion,
    format_interval,
    format_number,
    format_spread,
    leak_warnings,
    tabulate_differences,
)
from iqa_zoo.reports.table import Table, count
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined, summarize_values
from iqa_zoo.training.selection import RULES

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
        tables.append(_quality(results))
        kinds = _by_distortion(results)
        tables += [kinds] if kinds else []
    if results.get("differences"):
        tables.append(_differences(results))
    if results.get("rules"):
        tables.append(_rules(results))
    if results.get("runs"):
        tables += _test_sets(results)
    return tables


def make_sentences(results: Results) -> list[str]:
    """Return one sentence per pair of compared models."""
    lines = []
    for pair in results.get("differences", []):
        if results["baseline"] in (pair["first"], pair["second"]):
            continue
        splits = pair["splits"]
        if not is_defined(pair["mean"]):
            lines.append(f"{pair['first']} and {pair['second']}: the difference is undefined, as {pair['why']}.")
        elif splits == 1:
            lines.append(_verdict_on_one(pair))
        elif pair["tie"]:
            lines.append(
                f"{pair['first']} and {pair['second']}: undecided, mean SROCC difference {pair['mean']:+.3f} "
                f"{format_interval(pair)}, {pair['first']} ahead in {pair['wins']} of {splits} splits."
            )
        else:
            sign = 1 if pair["mean"] > 0 else -1
            ahead, behind = (pair["first"], pair["second"]) if sign > 0 else (pair["second"], pair["first"])
            wins = pair["wins"] if sign > 0 else splits - pair["wins"]
            low, high = sorted((sign * pair["low"], sign * pair["high"]))
            lines.append(
                f"{ahead} leads {behind} by {sign * pair['mean']:.3f} SROCC [{low:.3f}, {high:.3f}], "
                f"ahead in {wins} of {splits} splits."
            )
    return lines


def _verdict_on_one(pair: Results) -> str:
    """One split tells how much the choice of test images matters, and nothing of another training."""
    difference = Estimate(pair["mean"], pair["low"], pair["high"], pair["p"], pair["count"])
    said = difference.verdict(pair["first"], pair["second"])
    return f"On this one split, {pair['first']} and {pair['second']}: {said}."


def _published(results: Results) -> Table:
    rows = []
    for row in results["published"]:
        budget, speed = row["budget"], row.get("speed")
        quality = row.get("published")
        rows.append(
            [
                row["model"],
                row["backbone"],
                count(budget["params"]),
                count(budget["decoder"]["params"]),
                f"{budget['decoder']['params'] / budget['params']:.1%}",
                count(budget["active_params"]),
                count(budget["macs"]),
                f"{speed['latency_ms']:.0f}" if speed else "-",
                f"{speed['images_per_second']:.1f}" if speed else "-",
                f"{quality[0]:.3f} / {quality[1]:.3f}" if quality else "-",
            ]
        )
    only = results.get("published_only", {})
    for title, quality in only.items():
        told = f"{quality[0]:.3f} / {quality[1]:.3f}" if quality else "-"
        rows.append([f"{title} (no model)", *["-"] * 8, told])
    notes = [
        "MACs: multiply-accumulates of matrix products and convolutions for one image; active: parameters one token meets.",
        f"Published: SROCC / PLCC on {results['published_on']} from the model card, under the paper's own protocol; not measured here.",
    ]
    if only:
        notes.append(
            "No model: what is published of a system does not say enough to build it; its card says what is known."
        )
    if any(row.get("speed") for row in results["published"]):
        speed = results["published"][0]["speed"]
        notes.append(
            f"Latency at batch 1 and throughput at batch {speed['batch']}: medians of {speed['rounds']} rounds, the models in turn, "
            f"on this machine ({results['threads']} threads)."
        )
    columns = ["model", "backbone", "params", "decoder", "share", "active", "MACs", "ms", "images/s", "published"]
    return Table("(a) The models as published", columns, rows, notes, left=["model", "backbone"])


def _quality(results: Results) -> Table:
    rows = [
        [
            model,
            format_spread(row["srocc"]),
            format_spread(row["plcc"]),
            format_number(row["plcc_logistic4"]["median"]),
            format_number(row["krocc"]["median"]),
            format_number(row["rmse"]["median"], ".2f"),
            f"{row['seconds']:.1f}",
        ]
        for model, row in results["summary"].items()
    ]
    columns = ["model", "SROCC [quartiles]", "PLCC [quartiles]", "PLCC logistic-4", "KROCC", "RMSE", "s/split"]
    return Table(
        f"(c) Quality, measured: {results['data']['name']}, {PROTOCOLS[results['protocol']]} {describe_place(results)}",
        columns,
        rows,
        list_protocol_notes(results),
    )


def _by_distortion(results: Results) -> Table | None:
    kinds = sorted({kind for row in results["summary"].values() for kind in row.get("srocc_by_distortion", {})})
    if not kinds:
        return None
    rows = [
        [model, *format_by_distortion(row.get("srocc_by_distortion", {}), kinds)]
        for model, row in results["summary"].items()
    ]
    return Table("Median SROCC by distortion", ["model", *kinds], rows)


def _differences(results: Results) -> Table:
    splits, pairs = len(results["splits"]), results["differences"]
    title = "Paired differences over the splits" if splits > 1 else "Paired differences on the split"
    return tabulate_differences(title, pairs, [*describe_intervals(splits, pairs), *list_unmatched_notes(results)])


def _rules(results: Results) -> Table:
    """What each selection rule would have reported of the same trainings."""
    rules = [rule for rule in RULES if all(rule in row for row in results["rules"].values())]
    rows = []
    for model, row in results["rules"].items():
        cells = [f"{format_number(row[rule]['srocc'])} (epoch {row[rule]['epoch']:g})" for rule in rules]
        honest = results["selection"] if results["selection"] != "test-oracle" else rules[0]
        both = row["test-oracle"]["srocc"], row[honest]["srocc"]
        rows.append([model, *cells, f"{both[0] - both[1]:+.3f}" if all(map(is_defined, both)) else "-"])
    notes = [
        "Median test SROCC of the same trainings under each rule. test-oracle chooses the epoch by the test part itself, as the released "
        "codes of both papers do: its number is not an estimate of anything, and the last column says by how much."
    ]
    if "validation" not in rules:
        notes.append(
            "No validation part was held out here: --selection validation holds one out, and tells that rule's report as well."
        )
    return Table("What each selection rule would have reported", ["model", *rules, "peeking adds"], rows, notes)


def _test_sets(results: Results) -> list[Table]:
    """One table for each other dataset that the trained models were tested on."""
    tables = []
    done = [run for run in results["runs"] if "error" not in run]
    for name in done[0].get("elsewhere", {}) if done else {}:
        rows = []
        for model in results["summary"]:
            mine = [run["elsewhere"][name] for run in done if run["model"] == model]
            spreads = [
                asdict(summarize_values([record[metric] for record in mine])) for metric in ("srocc", "plcc", "krocc")
            ]
            rows.append([model, *map(format_spread, spreads)])
        note = (
            f"Trained on {results['data']['name']} as above, tested on all {len(done[0]['elsewhere'][name]['predictions'])} images "
            f"of {name}, medians over the same trainings. Where its scores run the other way, predictions are negated first. "
            "Errors are left out: the scales differ."
        )
        notes = [note, *leak_warnings(results, results["data"]["name"], name)]
        columns = ["model", "SROCC [quartiles]", "PLCC [quartiles]", "KROCC [quartiles]"]
        tables.append(Table(f"Cross-dataset: {results['data']['name']} to {name}", columns, rows, notes))
    return tables


def make_figures(results: Results) -> dict[str, Figure]:
    """Return no figure: the tables say it all."""
    return {}
