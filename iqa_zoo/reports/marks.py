"""Marks of the rows of a table: which differences are decided, and which model is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.reports.table import AHEAD, UNDECIDED
from iqa_zoo.stats.summary import is_defined

Pair = Mapping[str, Any]  # a row of iqa_zoo.studies.summaries.compute_differences


def read_names(pair: Pair) -> tuple[str, str]:
    """Return the names of the compared decoders, which differ from those of the models where there are several backbones."""
    first, second = pair.get("decoders") or (pair["first"], pair["second"])
    return first, second


def mark_pair(pair: Pair) -> str:
    """Return the mark of a row with a difference or an effect: one side is ahead, undecided, or neither.

    >>> mark_pair(dict(mean=0.1, verdict="behind")), mark_pair(dict(mean=0.1, verdict="equivalent"))
    ('ahead', '')
    """
    if not is_defined(pair["mean"]):
        return ""
    return {"ahead": AHEAD, "behind": AHEAD, "undecided": UNDECIDED}.get(pair["verdict"], "")


def mark_best(medians: Mapping[str, float | None], pairs: Sequence[Pair]) -> list[str]:
    """Return a mark for each model: the one that is ahead of all others, or those that are undecided against the best median.

    >>> pair = dict(first="a", second="b", mean=0.1, verdict="ahead")
    >>> mark_best({"a": 0.8, "b": 0.7}, [pair]), mark_best({"a": 0.8, "b": 0.7}, [{**pair, "verdict": "undecided"}])
    (['ahead', ''], ['undecided', 'undecided'])
    """
    known = {name: value for name, value in medians.items() if value is not None and is_defined(value)}
    if len(known) < 2:
        return [""] * len(medians)
    best = max(known, key=lambda name: known[name])
    verdicts = {}
    for pair in pairs:
        first, second = read_names(pair)
        if best in (first, second):
            other, ahead = (second, "ahead") if first == best else (first, "behind")
            verdicts[other] = AHEAD if pair["verdict"] == ahead else mark_pair(pair)
    if all(verdicts.get(name) == AHEAD for name in medians if name != best):
        return [AHEAD if name == best else "" for name in medians]
    undecided = {name for name, mark in verdicts.items() if mark == UNDECIDED}
    return [UNDECIDED if name in undecided or (name == best and undecided) else "" for name in medians]
