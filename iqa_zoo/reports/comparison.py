"""The tables of a comparison, made from its results alone."""

from __future__ import annotations

from typing import Any

from iqa_zoo.engine.statistics import Difference
from iqa_zoo.reports.table import Table, count

Results = dict[str, Any]
HUMAN_LABELS = ("MOS", "DMOS")


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
    return tables


def verdict(results: Results) -> str:
    """The comparison in one sentence per pair of compared models."""
    lines = []
    for pair in results.get("differences", []):
        if results["yardstick"] in (pair["first"], pair["second"]):
            continue
        splits = pair["count"]
        if pair["tie"]:
            lines.append(
                f"{pair['first']} and {pair['second']} tie: mean SROCC difference {pair['mean']:+.3f} "
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
    notes = [
        "MACs: multiply-accumulates of matrix products and convolutions for one image; active: parameters one token meets.",
        f"Published: SROCC / PLCC on {results['published_on']} from the model card, under the paper's own protocol; not measured here.",
    ]
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
    return Table(f"(b) The decoders on {results['backbone']}", columns, rows, [note], left=["model", "moved"])


def _spread(values: dict[str, float], digits: int = 3) -> str:
    return f"{values['median']:.{digits}f} [{values['q1']:.{digits}f}, {values['q3']:.{digits}f}]"


def _quality(results: Results) -> Table:
    rows = [
        [
            model,
            _spread(row["srocc"]),
            _spread(row["plcc"]),
            f"{row['plcc_logistic4']['median']:.3f}",
            f"{row['krocc']['median']:.3f}",
            f"{row['rmse']['median']:.2f}",
            f"{row['seconds']:.1f}",
        ]
        for model, row in results["summary"].items()
    ]
    columns = ["model", "SROCC [quartiles]", "PLCC [quartiles]", "PLCC logistic-4", "KROCC", "RMSE", "s/split"]
    return Table(
        f"(c) Quality, measured: {results['data']['name']} on {results['backbone']}",
        columns,
        rows,
        protocol_notes(results),
    )


def protocol_notes(results: Results) -> list[str]:
    """What a reader must know about the numbers: the labels, the splits, the training."""
    data, recipe = results["data"], results["recipe"]
    grouped = f"by {data['contents']} contents" if data["contents"] < data["images"] else "by image"
    notes = []
    if data["label"] not in HUMAN_LABELS:
        notes.append(f"LABELS ARE A {data['label'].upper().split(':')[0]}:{data['label'].partition(':')[2]}.")
    notes.append(
        f"Median over {len(results['splits'])} random 80/20 splits {grouped} of {data['images']} images; labels: {data['label'].split(':')[0]}."
    )
    notes.append(
        f"Decoders on frozen {results['backbone']} features ({results['weights']}), {results['crops']} crops an image; {recipe['epochs']} epochs, "
        f"batch {recipe['batch_size']}, AdamW {recipe['lr']:g}, the same splits, seeds and steps for all; last epoch tested, nothing selected. "
        f"The yardstick, one linear layer, learns at {results['yardstick_lr']:g}."
    )
    return notes


def _by_distortion(results: Results) -> Table | None:
    kinds = sorted({kind for row in results["summary"].values() for kind in row.get("srocc_by_distortion", {})})
    if not kinds:
        return None
    rows = [
        [model, *(f"{row['srocc_by_distortion'][kind]:.3f}" for kind in kinds)]
        for model, row in results["summary"].items()
    ]
    return Table("Median SROCC by distortion", ["model", *kinds], rows)


def _differences(results: Results) -> Table:
    rows = []
    for pair in results["differences"]:
        difference = Difference(pair["mean"], pair["low"], pair["high"], pair["p"], pair["count"])
        rows.append(
            [
                f"{pair['first']} - {pair['second']}",
                f"{pair['mean']:+.3f}",
                f"[{pair['low']:+.3f}, {pair['high']:+.3f}]",
                f"{pair['wins']} of {pair['count']}",
                f"{pair['p_holm']:.3f}",
                "a tie" if difference.is_tie else f"{pair['first'] if pair['mean'] > 0 else pair['second']} ahead",
            ]
        )
    notes = [
        "Interval: Student's t with the variance corrected for splits that share images (Nadeau and Bengio 2003); a pair whose "
        "interval contains 0 is a tie. p: Wilcoxon, Holm-adjusted; without that correction, so for comparison with other papers only."
    ]
    columns = ["SROCC difference", "mean", "95 % interval", "ahead in", "p (Holm)", "verdict"]
    return Table("Paired differences over the splits", columns, rows, notes, left=["SROCC difference", "verdict"])
