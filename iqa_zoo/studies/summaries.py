"""Summaries of the records of trainings: medians over splits, and paired differences of models.

A metric of a record may be undefined: nan, or None where the record comes from JSON. SROCC is, where a model gives one
score for all images. Medians and differences rest on the splits on which it is defined and say how many are not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.reports.warnings import why_undefined
from iqa_zoo.stats.bootstrap import bootstrap_difference
from iqa_zoo.stats.estimate import FEWEST_SPLITS, UNDEFINED, Estimate
from iqa_zoo.stats.metrics import METRICS
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import ImageJackknife, delete_images
from iqa_zoo.stats.summary import is_defined, summarize_values

Record = dict[str, Any]
Pairs = Sequence[tuple[Record, Record]]  # of two models, on the same splits


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
    *,
    margin: float = 0.01,
    comparisons: int | None = None,
) -> list[Record]:
    """Compare every pair of models (or these) on the splits that both have: the SROCC difference and its verdict.

    Over several splits the estimate is that of :func:`iqa_zoo.stats.paired.paired`, with the error of sampling the test
    images (whole contents, where images share them) from the predictions in the records. On a single split the interval
    is that of a paired bootstrap over its images, and the verdict is undecided.

    Args:
        records: of trainings, with ``model``, ``split``, ``srocc`` and ``predictions``.
        test_train_ratio: of the splits.
        data: labels and contents of the test images.
        pairs: of model names; every pair where left out.
        margin: differences below it count as equivalent.
        comparisons: that the verdicts are adjusted for; the pairs with a defined difference where left out.

    Returns:
        A row a pair: ``first``, ``second``, the fields of the estimate, its ``verdict``, ``wins`` of the first model,
        ``splits`` on which the SROCC of both is defined, and ``undefined``, the number of splits that are left out as one
        is not. ``why`` says why the difference is undefined (its numbers are nan, its verdict undecided), or why the
        error of sampling the test images is not part of the interval.
    """
    by_model: dict[str, dict[str, Record]] = {}
    for record in records:
        by_model.setdefault(record["model"], {})[record["split"]] = record
    shared = {}
    for first, second in itertools.combinations(by_model, 2) if pairs is None else pairs:
        a, b = by_model.get(first, {}), by_model.get(second, {})
        if both := [(a[split], b[split]) for split in a if split in b]:
            shared[first, second] = both
    if comparisons is None:
        comparisons = max(1, sum(any(map(_is_defined, both)) for both in shared.values()))
    known = _delete_by_splits(shared.values(), data)
    return [
        {"first": first, "second": second, **_compare(both, test_train_ratio, data, margin, comparisons, known)}
        for (first, second), both in shared.items()
    ]


def _is_defined(both: tuple[Record, Record]) -> bool:
    return all(is_defined(record["srocc"]) for record in both)


def _delete_by_splits(shared: Iterable[Pairs], data: RatedImages) -> dict[tuple[str, ...], ImageJackknife]:
    """Delete the test images of all models that are compared on the same splits, once for all of their pairs."""
    by_splits: dict[tuple[str, ...], dict[str, Sequence[Record]]] = {}
    for pairs in shared:
        both = list(filter(_is_defined, pairs))
        for records in zip(*both, strict=True):
            by_splits.setdefault(_list_splits(both), {})[records[0]["model"]] = records
    found = {splits: delete_test_images(models, data)[0] for splits, models in by_splits.items() if len(splits) > 1}
    return {splits: images for splits, images in found.items() if images is not None}


def _list_splits(both: Pairs) -> tuple[str, ...]:
    return tuple(record["split"] for record, _ in both)


def _compare(
    shared: Pairs,
    test_train_ratio: float,
    data: RatedImages,
    margin: float,
    comparisons: int,
    known: Mapping[tuple[str, ...], ImageJackknife],
) -> Record:
    """Compare two models by their records on the same splits."""
    both = list(filter(_is_defined, shared))
    a, b = ([pair[i]["srocc"] for pair in both] for i in (0, 1))
    estimate, why = replace(UNDEFINED, margin=margin, pairs=comparisons), ""
    if not both:
        undefined = next(record for pair in shared for record in pair if not is_defined(record["srocc"]))
        why = f"{undefined['model']}: {why_undefined(undefined)} on split {undefined['split']}"
    elif len(both) == 1:
        estimate, why = _bootstrap_one_split(*both[0], data, margin, comparisons)
    else:
        by_model = {records[0]["model"]: records for records in zip(*both, strict=True)}
        images = known.get(_list_splits(both))
        if images is None:  # as one of the models cannot be judged so; perhaps this pair can
            images, why = delete_test_images(by_model, data)
        weights = dict(zip(by_model, (1, -1), strict=True))
        sampling = None if images is None else images.estimate([weights.get(model, 0) for model in images.models])
        estimate = paired(
            a, b, test_train_ratio=test_train_ratio, margin=margin, sampling_se=sampling, pairs=comparisons
        )
    return {
        **asdict(estimate),
        "verdict": estimate.verdict,
        "wins": sum(x > y for x, y in zip(a, b, strict=True)),
        "losses": sum(x < y for x, y in zip(a, b, strict=True)),
        "splits": len(both),
        "undefined": len(shared) - len(both),
        "why": why,
    }


def delete_test_images(
    by_model: Mapping[str, Sequence[Record]], data: RatedImages
) -> tuple[ImageJackknife | None, str]:
    """Measure what deleting test images (whole contents, where images share them) changes in the SROCC of each model.

    Args:
        by_model: the records of each model, of the same splits in one order.
        data: labels and contents of the test images.

    Returns:
        What the error of sampling them is estimated from; None, and why, where the test parts are too small for it or the
        records hold no predictions.
    """
    if not all(record.get("predictions") for records in by_model.values() for record in records):
        return None, "the records hold no predictions"
    labels = dict(zip(data.names, data.mos.tolist(), strict=True))
    groups = None if data.references is None else dict(zip(data.names, data.contents, strict=True))
    scores = {model: [record["predictions"] for record in records] for model, records in by_model.items()}
    try:
        return delete_images(scores, labels, groups=groups), ""
    except InputError as error:
        return None, str(error)


def _bootstrap_one_split(
    first: Record, second: Record, data: RatedImages, margin: float, comparisons: int
) -> tuple[Estimate, str]:
    undefined = replace(UNDEFINED, margin=margin, pairs=comparisons)
    if not (first.get("predictions") and second.get("predictions")):
        return undefined, "the records of the one split hold no predictions"
    index_of = {name: i for i, name in enumerate(data.names)}
    names = list(first["predictions"])
    chosen = [index_of[name] for name in names]
    scores_a, scores_b = ([record["predictions"][name] for name in names] for record in (first, second))
    groups = [data.contents[i] for i in chosen] if data.references is not None else None
    if groups is not None and len(set(groups)) < 2:
        return undefined, "the images of the one split show a single content"
    confidence = Estimate.confidence
    found = bootstrap_difference(
        scores_a, scores_b, data.mos[chosen], groups=groups, confidence=1 - (1 - confidence) / comparisons
    )
    return replace(
        found,
        p=min(1.0, found.p * comparisons),
        count=1,
        confidence=confidence,
        margin=margin,
        pairs=comparisons,
        needed=f"at least {FEWEST_SPLITS} splits",
    ), ""


def _median(values: Iterable[float | None]) -> float:
    """The median of the values that are defined; nan where none is."""
    return summarize_values(list(values)).median
