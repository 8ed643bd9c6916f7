"""Select the epoch of a training that is reported; compare the selection rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.errors import InputError, not_one_of

CLOSE = 0.01  # SROCCs that differ by less count as equal; far below the standard error on a hundred validation images
RULES = {
    "validation": f"the last epoch whose validation SROCC is within {CLOSE} of the best; the test part has no say in it",
    "last": "the last epoch",
    "test-oracle": "the epoch of the best test SROCC: peeks at the test part, as the released codes of both papers do",
}


def check_rule(rule: str) -> str:
    """Return the name of a selection rule.

    Raises:
        InputError: there is none of that name.
    """
    if rule not in RULES:
        raise InputError(not_one_of(rule, RULES, "selection rule"))
    return rule


def choose_epoch(history: Sequence[Mapping[str, Any]], rule: str) -> int:
    """Return the position in the history of the epoch that a rule reports.

    Validation SROCCs closer than ``CLOSE`` count as equal, and the last of equals is taken: the schedule ends with small steps,
    and the best of noisy values is chosen by noise. The test oracle takes the first of the best.

    Args:
        history: measured epochs in order, with the metrics of ``validation`` and ``test`` by name, None where not measured.
        rule: of ``RULES``.

    Raises:
        InputError: the part that the rule reads was not measured.

    >>> history = [dict(validation=dict(srocc=v), test=dict(srocc=t)) for v, t in [(0.6, 0.5), (0.8, 0.6), (0.7, 0.7)]]
    >>> [choose_epoch(history, rule) for rule in ("validation", "last", "test-oracle")]
    [1, 2, 2]
    """
    if not history:
        raise InputError("no epoch was finished; there is nothing to choose from")
    if check_rule(rule) == "last":
        return len(history) - 1
    part = "validation" if rule == "validation" else "test"
    if any(epoch.get(part) is None for epoch in history):
        raise InputError(f"the rule {rule!r} needs the {part} part measured each time, and it was not")
    # A constant prediction has no SROCC; any number is better.
    sroccs = [replace_undefined(epoch[part]["srocc"]) for epoch in history]
    enough = max(sroccs) - (CLOSE if rule == "validation" else 0)
    good = [i for i, srocc in enumerate(sroccs) if srocc >= enough]
    return good[-1] if rule == "validation" else good[0]


def replace_undefined(srocc: float | None) -> float:
    """Return an SROCC, or minus infinity where it is undefined: nan, or None as JSON has it.

    >>> replace_undefined(0.5), replace_undefined(float("nan")), replace_undefined(None)
    (0.5, -inf, -inf)
    """
    return -math.inf if srocc is None or math.isnan(srocc) else srocc


def compare_rules(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return what each rule reports: the ``epoch`` and its test metrics. Rules whose part was not measured are left out.

    >>> compare_rules([dict(epoch=1, test=dict(srocc=0.5)), dict(epoch=2, test=dict(srocc=0.4))])
    {'last': {'epoch': 2, 'srocc': 0.4}, 'test-oracle': {'epoch': 1, 'srocc': 0.5}}
    """
    reported = {}
    for rule in RULES:
        try:
            chosen = choose_epoch(history, rule)
        except InputError:
            continue
        if history[chosen].get("test") is not None:
            reported[rule] = {"epoch": history[chosen]["epoch"], **history[chosen]["test"]}
    return reported
