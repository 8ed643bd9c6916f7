"""What a reader must know before the numbers: undefined metrics, failed trainings, images that datasets share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns

SPLITS_NAMED = 3


def why_undefined(record: Mapping[str, Any]) -> str:
    """Return why the SROCC of a record is undefined.

    >>> why_undefined(dict(predictions={"a.png": 3.0, "b.png": 3.0}))
    'all scores are equal'
    """
    scores = set(record.get("predictions", {}).values())
    if not scores:
        return "all scores or all labels are equal"
    return "all scores are equal" if len(scores) == 1 else "all labels are equal"


def undefined_notes(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line that names the trainings with undefined SROCC and the reason; an empty list without any.

    >>> undefined_notes([dict(model="a", split="s1", srocc=None, predictions={"1.png": 2.0}), dict(model="b", error="...")])
    ['SROCC is undefined and left out of medians and differences: a (all scores are equal on split s1).']
    """
    splits_of: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        if "srocc" in run and not is_defined(run["srocc"]):
            splits_of.setdefault((run["model"], why_undefined(run)), []).append(str(run["split"]))
    found = []
    for (model, why), splits in splits_of.items():
        found.append(f"{model} ({why} on split {_some(splits)})")
    return [f"SROCC is undefined and left out of medians and differences: {'; '.join(found)}."] if found else []


def failed_notes(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line that names the failed trainings, whose models have medians over fewer splits; an empty list without any.

    >>> failed_notes([dict(model="a", split="s1", error="InputError: the loss is nan"), dict(model="b", split="s1", srocc=0.8)])
    ['1 of 2 trainings failed; medians are over the splits that are left: a (split s1: InputError: the loss is nan).']
    """
    if not any("error" in run for run in runs):
        return []
    failed: dict[tuple[str, str], list[str]] = {}
    trained = {(run["model"], run["split"]): run for run in runs}  # several test sets of one training count once
    for (model, split), run in trained.items():
        if "error" in run:
            failed.setdefault((model, run["error"]), []).append(str(split))
    count = sum(map(len, failed.values()))
    named = "; ".join(f"{model} (split {_some(splits)}: {error})" for (model, error), splits in failed.items())
    return [
        f"{count} of {count_nouns(len(trained), 'training')} failed; medians are over the splits that are left: {named}."
    ]


def _some(splits: Sequence[str]) -> str:
    more = f" and {len(splits) - SPLITS_NAMED} others" if len(splits) > SPLITS_NAMED else ""
    return ", ".join(splits[:SPLITS_NAMED]) + more


def leak_warnings(results: Mapping[str, Any], *among: str) -> list[str]:
    """Return a line for every two datasets that share files; ``among`` limits it to these datasets."""
    return [
        f"LEAK: {leak['first']} and {leak['second']} share images ({leak['images']}, the same byte for byte): a model trained on one "
        "may have been shown test images of the other."
        for leak in results.get("leaks", [])
        if not among or {leak["first"], leak["second"]} == set(among)
    ]
