"""The tables of a comparison, made from its results alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from iqa_zoo.engine.statistics import Difference, is_defined, median_iqr
from iqa_zoo.reports.shared import (
    COLUMNS,
    difference_cells,
    failed_notes,
    format_number,
    format_spread,
    leak_warnings,
    undefined_notes,
)
from iqa_zoo.reports.table import Table, count
from iqa_zoo.training.selection import RULES

Results = dict[str, Any]
HUMAN_LABELS = ("MOS", "DMOS")
PROTOCOLS = {"frozen": "decoders", "end-to-end": "trained end to end"}


def comparison_tables(results: Results) -> list[Table]:
    """Every table that the results have the numbers for: published models, matched decoders, quality, differences."""
    tables = []
    if results.get("published"):
        tables.append(_published(results))
    if results.get("matched"):
        tables.append(_matched(results))
    if results.get("summary"):
        tables.append(_quality(results))
        kinds = _by_distortion(results)
        tables += [kinds] if kinds else []
    if results.get("differences"):
        tables.append(_differences(results))
    if results.get("rules"):
        tables.append(_rules(results))
    if results.get("runs"):
        tables += _elsewhere(results)
    return tables


def verdict(results: Results) -> str:
    """The comparison in one sentence per pair of compared models."""
    lines = []
    for pair in results.get("differences", []):
        if results["yardstick"] in (pair["first"], pair["second"]):
            continue
        splits = pair["splits"]
        if not is_defined(pair["mean"]):
            lines.append(f"{pair['first']} and {pair['second']}: the difference is undefined, as {pair['why']}.")
        elif splits == 1:
            lines.append(_verdict_on_one(pair))
        elif pair["tie"]:
            lines.append(
                f"{pair['first']} and {pair['second']}: undecided, mean SROCC difference {pair['mean']:+.3f} "
                f"[{pair['low']:+.3f}, {pair['high']:+.3f}], {pair['first']} ahead in {pair['wins']} of {splits} splits."
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
    return "\n".join(lines)


def decoders_table(results: Results) -> Table:
    """The decoders as they were trained: their sizes, and what was moved to match them."""
    keys = ("matched", "match", "target", "yardstick", "backbone")
    wanted: Results = {key: results[key] for key in keys if key in results}
    table = comparison_tables(wanted)[0]
    return replace(table, title=table.title.removeprefix("(b) "))


def _verdict_on_one(pair: Results) -> str:
    """One split tells how much the choice of test images matters, and nothing of another training."""
    difference = Difference(pair["mean"], pair["low"], pair["high"], pair["p"], pair["count"])
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


def _matched(results: Results) -> Table:
    rows = []
    for row in results["matched"]:
        decoder = row["budget"]["decoder"]
        moved = ", ".join(f"{path} {old} → {new}" for path, (old, new) in row["budget"]["moved"].items())
        if row["model"] == results["yardstick"]:
            moved = "yardstick, not matched"
        elif row.get("unmatched"):
            moved = "as it is, not matched"
        elif not moved:
            moved = "as it is"
        rows.append(
            [row["model"], count(decoder["params"]), count(decoder["active_params"]), count(decoder["macs"]), moved]
        )
    by = results["match"]
    note = (
        "Each decoder as its authors size it; the budgets differ."
        if by == "none"
        else (f"Matched by {by} to {results['target']}, within 1 %. The decoder is everything but the backbone.")
    )
    columns = ["model", "decoder params", "active", "MACs", "moved"]
    notes = [note, *_unmatched_note(results)]
    return Table(f"(b) The decoders {_where(results)}", columns, rows, notes, left=["model", "moved"])


def _unmatched_note(results: Results) -> list[str]:
    """What a reader of a difference must know of decoders that are not at the budget."""
    names = [row["model"] for row in results.get("matched", []) if row.get("unmatched")]
    if not names:
        return []
    return [
        f"Not at this budget, as no setting of their knobs meets it: {', '.join(names)}. A difference to one of them is of size "
        "as well as of parts."
    ]


def _where(results: Results) -> str:
    return "on their own backbones" if results["backbone"] == "own" else f"on {results['backbone']}"


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
        f"(c) Quality, measured: {results['data']['name']}, {PROTOCOLS[results['protocol']]} {_where(results)}",
        columns,
        rows,
        protocol_notes(results),
    )


def protocol_notes(results: Results) -> list[str]:
    """What a reader must know about the numbers: the labels, the splits, the training."""
    data, recipe = results["data"], results["recipe"]
    grouped = f"by {data['contents']} contents" if data["contents"] < data["images"] else "by image"
    if pairs := len(data.get("look_alikes", ())):
        grouped += f" ({pairs} {'pair' if pairs == 1 else 'pairs'} of images that look the same kept in one part)"
    notes = []
    if data["label"] not in HUMAN_LABELS:
        notes.append(f"LABELS ARE A {data['label'].upper().split(':')[0]}:{data['label'].partition(':')[2]}.")
    parts, splits = results["parts"], len(results["splits"])
    held = f"{parts['validation']} to validate, " if parts["validation"] else ""
    median = f"Median over {splits} random splits" if splits > 1 else "One random split"
    notes.append(
        f"{median} {grouped} of {data['images']} images: {parts['train']} to train, {held}"
        f"{parts['test']} to test; labels: {data['label'].split(':')[0]}."
    )
    if results["protocol"] == "frozen":
        notes.append(
            f"Decoders on frozen {results['backbone']} features ({results['weights']}), crops an image: {results['crops']}; "
            f"{recipe['epochs']} epochs, batch {recipe['batch_size']}, AdamW {recipe['lr']:g}, averaged weights, "
            f"{recipe.get('precision', 'float32')}, the same splits, seeds and steps for all. "
            f"The yardstick, one linear layer, learns at {results['yardstick_lr']:g}."
        )
    else:
        backbone_lr = recipe["lr"] if recipe["backbone_lr"] is None else recipe["backbone_lr"]
        notes.append(
            f"Whole models trained from {results['weights']}; recipe {results['recipe_name']}: {recipe['epochs']} epochs, crops an image "
            f"and epoch: {recipe['crops']}, batch {recipe['batch_size']}, {recipe['optimizer']} {recipe['lr']:g} (backbone "
            f"{backbone_lr:g}), {recipe['precision']}; tested on {recipe['test_crops']} crops an image, the same for all."
        )
    notes += left_out_notes(results) + cache_notes(results)
    notes.append(f"Reported: {RULES[results['selection']]}.")
    runs = results.get("runs", [])
    return notes + failed_notes(runs) + undefined_notes(runs)


def cache_notes(results: Results) -> list[str]:
    """What of a study was computed before and comes from the cache, or from finished runs; and which images were enlarged.

    >>> cache_notes({"from_cache": {"trainings": 12, "of": 20, "features": 1, "of_features": 1}})
    ['12 of 20 trained before; features from the cache.']
    >>> cache_notes({"enlarged": {"photos": 3}})
    ["3 images of photos are smaller than the backbone's input and were enlarged (bicubic)."]
    """
    used = results.get("from_cache", {})
    told = []
    if used.get("trainings"):
        told.append(f"{used['trainings']} of {used['of']} trained before")
    if used.get("features"):
        some = f"{used['features']} of {used['of_features']} sets of " if used["features"] < used["of_features"] else ""
        told.append(f"{some}features from the cache")
    small = [
        f"{count} images of {name} are smaller than the backbone's input and were enlarged (bicubic)."
        for name, count in results.get("enlarged", {}).items()
    ]
    return (["; ".join(told) + "."] if told else []) + small


def left_out_notes(results: Results) -> list[str]:
    """Which losses of a model its decoder was trained without, where there are any.

    >>> left_out_notes({"losses_left_out": {"mine": ["mirror_consistency"]}})
    ["Frozen features hold no mirrored image; losses that read one are left out: mine's mirror_consistency."]
    """
    left_out = results.get("losses_left_out")  # older results have no such key
    if not left_out:
        return []
    told = "; ".join(f"{model}'s {', '.join(losses)}" for model, losses in left_out.items())
    return [f"Frozen features hold no mirrored image; losses that read one are left out: {told}."]


def _by_distortion(results: Results) -> Table | None:
    kinds = sorted({kind for row in results["summary"].values() for kind in row.get("srocc_by_distortion", {})})
    if not kinds:
        return None
    rows = [
        [model, *(_kind_cell(row.get("srocc_by_distortion", {}), kind) for kind in kinds)]
        for model, row in results["summary"].items()
    ]
    return Table("Median SROCC by distortion", ["model", *kinds], rows)


def _kind_cell(srocc_by_kind: Results, kind: str) -> str:
    return format_number(srocc_by_kind[kind]) if kind in srocc_by_kind else "-"


def _differences(results: Results) -> Table:
    rows = [[f"{pair['first']} - {pair['second']}", *difference_cells(pair)] for pair in results["differences"]]
    several = len(results["splits"]) > 1
    note = (
        "Interval: Student's t with the variance corrected for splits that share images (Nadeau and Bengio 2003); a pair whose "
        "interval contains 0 is undecided. p: Wilcoxon, Holm-adjusted; without that correction, so for comparison with other papers only."
        if several
        else "One split: interval by a paired bootstrap over its test images (whole contents, where images share them), p by Williams' "
        "test, Holm-adjusted; a pair whose interval contains 0 is undecided. Another split or another training may tell otherwise."
    )
    columns = ["SROCC difference", *COLUMNS]
    title = "Paired differences over the splits" if several else "Paired differences on the split"
    notes = [note, *_unmatched_note(results)]
    if several and any(pair["splits"] == 1 for pair in results["differences"]):
        notes.append("A pair with one split in common: a paired bootstrap over its test images, p by Williams' test.")
    return Table(title, columns, rows, notes, left=["SROCC difference", "verdict"])


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


def _elsewhere(results: Results) -> list[Table]:
    """One table for each other dataset that the trained models were tested on."""
    tables = []
    done = [run for run in results["runs"] if "error" not in run]
    for name in done[0].get("elsewhere", {}) if done else {}:
        rows = []
        for model in results["summary"]:
            mine = [run["elsewhere"][name] for run in done if run["model"] == model]
            spreads = [asdict(median_iqr([record[metric] for record in mine])) for metric in ("srocc", "plcc", "krocc")]
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
