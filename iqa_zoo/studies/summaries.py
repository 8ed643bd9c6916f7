"""Summaries of the records of trainings: medians over splits, and paired differences of models.

A metric of a record may be undefined: nan, or None where the record comes from JSON. SROCC is, where a model gives one
score for all images. Medians and differences rest on the splits on which it is defined and say how many are not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.reports.shared import why_undefined
from iqa_zoo.stats.bootstrap import bootstrap_difference
from iqa_zoo.stats.estimate import UNDEFINED, Estimate
from iqa_zoo.stats.metrics import METRICS
from iqa_zoo.stats.paired import adjust_holm, compare_paired, compute_srocc_p
from iqa_zoo.stats.summary import is_defined, summarize_values

Record = dict[str, Any]


def summarize_records(records: Sequence[Record]) -> dict[str, Record]:
    """Per model: median and quartiles over the splits of every metric, and seconds a split."""
    summary: dict[str, Record] = {}
    for model in dict.fromkeys(record["model"] for record in records):
        mine = [record for record in records if record["model"] == model]
        summary[model] = {name: asdict(summarize_values([record[name] for record in mine])) for name in METRICS}
        summary[model]["splits"] = len(mine)
        summary[model]["seconds"] = float(np.median([record["seconds"] for record in mine]))
        by_kind = [record.get("srocc_by_distortion", {}) for record in mine]
        if kinds := sorted({kind for each in by_kind for kind in each}):
            summary[model]["srocc_by_distortion"] = {
                kind: _median(each[kind] for each in by_kind if kind in each) for kind in kinds
            }
    return summary


def summarize_rules(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """Per model that has epochs and selection rule: what it would have reported (median SROCC) and the epoch (median)."""
    summary: dict[str, dict[str, Record]] = {}
    for model in dict.fromkeys(record["model"] for record in records):
        mine = [record["every_rule"] for record in records if record["model"] == model]
        if not any(mine):
            continue  # nothing to select: fitted in closed form
        rules = [rule for rule in mine[0] if all(rule in reported for reported in mine)]
        summary[model] = {
            rule: {key: _median(reported[rule][key] for reported in mine) for key in ("srocc", "plcc", "epoch")}
            for rule in rules
        }
    return summary


def compute_differences(
    records: Sequence[Record],
    test_train_ratio: float,
    data: RatedImages,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> list[Record]:
    """Every pair of models (or these) on the same splits: SROCC difference, 95 % interval, wins, Holm-adjusted p.

    Over several splits the mean difference, the corrected interval and Wilcoxon's p; on a single split the difference
    with a paired bootstrap over its images (whole contents, where images share them) and Williams' p.

    Returns:
        A row a pair, with ``splits``, on which the SROCC of both is defined, and ``undefined``, the number of splits that
        are left out as one is not. Where none is left, or a single test part shows a single content, ``mean``, ``low``,
        ``high`` and the p values are nan and ``why`` gives the reason; such a pair is undefined, not undecided.
    """
    by_model: dict[str, dict[str, Record]] = {}
    for record in records:
        by_model.setdefault(record["model"], {})[record["split"]] = record
    found: list[Record] = []
    for first, second in itertools.combinations(by_model, 2) if pairs is None else pairs:
        shared = [split for split in by_model.get(first, {}) if split in by_model.get(second, {})]
        if shared:
            a, b = ([by_model[model][split] for split in shared] for model in (first, second))
            found.append({"first": first, "second": second, **_difference(a, b, test_train_ratio, data)})
    adjust_pairs(found)
    return found


def adjust_pairs(pairs: Sequence[Record]) -> None:
    """Set ``p_holm`` of rows to their ``p``, adjusted for all of them; nan where there is none."""
    for pair, p in zip(pairs, adjust_holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = p


def _difference(first: list[Record], second: list[Record], test_train_ratio: float, data: RatedImages) -> Record:
    """The difference of two models from their records on the same splits, in one order."""
    both = [(a, b) for a, b in zip(first, second, strict=True) if is_defined(a["srocc"]) and is_defined(b["srocc"])]
    test, why = "wilcoxon", ""
    a, b = ([pair[i]["srocc"] for pair in both] for i in (0, 1))
    if len(both) > 1:
        difference = compare_paired(a, b, test_train_ratio=test_train_ratio)
    elif both:
        difference, test = _on_one_split(*both[0], data), "williams"
        why = "" if difference.is_defined else "the images of the one split show a single content"
    else:
        difference, undefined = UNDEFINED, next(r for r in (*first, *second) if not is_defined(r["srocc"]))
        why = f"{undefined['model']}: {why_undefined(undefined)} on split {undefined['split']}"
    return {
        "wins": sum(x > y for x, y in zip(a, b, strict=True)),
        "splits": len(both),
        "undefined": len(first) - len(both),
        "test": test,
        **asdict(difference),
        "tie": difference.is_undecided,
        "why": why,
    }


def _on_one_split(first: Record, second: Record, data: RatedImages) -> Estimate:
    index_of = {name: i for i, name in enumerate(data.names)}
    names = list(first["predictions"])
    chosen = [index_of[name] for name in names]
    scores_a, scores_b = ([record["predictions"][name] for name in names] for record in (first, second))
    groups = [data.contents[i] for i in chosen] if data.references is not None else None
    if groups is not None and len(set(groups)) < 2:
        return UNDEFINED
    difference = bootstrap_difference(scores_a, scores_b, data.mos[chosen], groups=groups)
    p = compute_srocc_p(scores_a, scores_b, data.mos[chosen])
    return replace(difference, p=1.0 if math.isnan(p) else p)


def _median(values: Iterable[float | None]) -> float:
    """The median of the values that are defined; nan where none is."""
    return summarize_values(list(values)).median
