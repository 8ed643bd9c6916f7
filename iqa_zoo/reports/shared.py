"""What the reports of several studies share: medians, paired differences and undefined values as table cells and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.engine.statistics import is_defined
from iqa_zoo.reports.undefined import why_undefined

COLUMNS = ("mean", "95 % interval", "ahead in", "p (Holm)", "verdict")
UNDEFINED = "undefined"
SPLITS_NAMED = 3


def format_number(value: float | None, spec: str = ".3f") -> str:
    """A number, or that it is undefined.

    >>> format_number(0.8), format_number(None)
    ('0.800', 'undefined')
    """
    return format(value, spec) if value is not None and is_defined(value) else UNDEFINED


def format_spread(values: Mapping[str, Any]) -> str:
    """Median and quartiles, and on how many splits the metric is undefined, where there are any.

    >>> format_spread(dict(median=0.8, q1=0.79, q3=0.81, undefined=1))
    '0.800 [0.790, 0.810], 1 undefined'
    """
    if not is_defined(values["median"]):
        return UNDEFINED
    left_out = f", {values['undefined']} undefined" if values.get("undefined") else ""
    return f"{values['median']:.3f} [{values['q1']:.3f}, {values['q3']:.3f}]{left_out}"


def difference_cells(pair: Mapping[str, Any], ahead: str = "{} ahead", behind: str = "{} ahead") -> list[str]:
    """The cells of :data:`COLUMNS` for one of :func:`iqa_zoo.studies.summaries.differences`.

    Args:
        pair: the difference.
        ahead, behind: the verdicts where the first is ahead and where the second is; ``{}`` is the name of who is.

    >>> difference_cells(dict(first="a", second="b", mean=0.03, low=0.01, high=0.05, wins=9, splits=10, p_holm=0.01, tie=False))
    ['+0.030', '[+0.010, +0.050]', '9 of 10', '0.010', 'a ahead']
    """
    if not is_defined(pair["mean"]):
        return [UNDEFINED, "-", "-", "-", f"{UNDEFINED}: {pair['why']}"]
    return [
        f"{pair['mean']:+.3f}",
        f"[{pair['low']:+.3f}, {pair['high']:+.3f}]",
        f"{pair['wins']} of {pair['splits']}",
        f"{pair['p_holm']:.3f}",
        verdict_of(pair, ahead, behind),
    ]


def verdict_of(pair: Mapping[str, Any], ahead: str = "{} ahead", behind: str = "{} ahead") -> str:
    """Which model is ahead; neither is where the interval contains 0 or the difference is undefined.

    >>> verdict_of(dict(first="a", second="b", mean=0.03, tie=True)), verdict_of(dict(mean=None))
    ('undecided', 'undefined')
    """
    if not is_defined(pair["mean"]):
        return UNDEFINED
    if pair["tie"]:
        return "undecided"
    return ahead.format(pair["first"]) if pair["mean"] > 0 else behind.format(pair["second"])


def defined(pairs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The differences that have a value."""
    return [pair for pair in pairs if is_defined(pair["mean"])]


def undefined_notes(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line that names the trainings whose SROCC is undefined, and why; nothing where there are none.

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
    """A line that names the trainings that failed, as the medians of their models are over fewer splits; nothing without any.

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
    return [f"{count} of {len(trained)} trainings failed; medians are over the splits that are left: {named}."]


def _some(splits: Sequence[str]) -> str:
    more = f" and {len(splits) - SPLITS_NAMED} others" if len(splits) > SPLITS_NAMED else ""
    return ", ".join(splits[:SPLITS_NAMED]) + more


def leak_warnings(results: Mapping[str, Any], *among: str) -> list[str]:
    """One line for every two datasets that share files; of these datasets only, where any are named."""
    return [
        f"LEAK: {leak['first']} and {leak['second']} share images ({leak['images']}, the same byte for byte): a model trained on one "
        "may have been shown test images of the other."
        for leak in results.get("leaks", [])
        if not among or {leak["first"], leak["second"]} == set(among)
    ]


def interval_note(splits: int) -> str:
    """How the intervals and p values were made."""
    if splits > 1:
        return (
            "Interval: Student's t with the variance corrected for splits that share images (Nadeau and Bengio 2003); a pair "
            "whose interval contains 0 is undecided. p: Wilcoxon, without that correction, Holm-adjusted over all of the table."
        )
    return (
        "One split: interval by a paired bootstrap over its test images, p by Williams' test, Holm-adjusted; a pair whose "
        "interval contains 0 is undecided. Another split or another training may tell otherwise."
    )


def summary_of(name: str, pairs: Sequence[Mapping[str, Any]]) -> str:
    """Over several places (shares, backbones, datasets) in a line: who is ahead in how many.

    >>> pairs = [dict(first="a", second="b", mean=m, tie=t) for m, t in ((0.1, False), (0.01, True), (None, False))]
    >>> summary_of("3 shares", pairs)
    'a and b at 3 shares: a ahead at 1, undecided at 1, undefined at 1.'
    """
    first, second = pairs[0]["first"], pairs[0]["second"]
    verdicts = [verdict_of(pair) for pair in pairs]
    order = (f"{first} ahead", f"{second} ahead", "undecided", UNDEFINED)
    counted = ", ".join(f"{verdict} at {verdicts.count(verdict)}" for verdict in order if verdict in verdicts)
    return f"{first} and {second} at {name}: {counted}."
