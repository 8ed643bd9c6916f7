"""The verdicts on pairs of models as sentences, and those on the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from iqa_zoo.reports.marks import Pair, read_names
from iqa_zoo.reports.shared import find_unearned, format_interval, format_verdict, select_defined
from iqa_zoo.stats.estimate import FEWEST_SPLITS, VERDICTS
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns


def orient_pair(pair: Pair, first: str) -> Pair:
    """Return the difference with this model first.

    >>> pair = dict(first="a", second="b", mean=0.1, low=-0.1, high=0.3, wins=3, splits=5, verdict="undecided")
    >>> flipped = orient_pair(pair, "b")
    >>> flipped["mean"], flipped["low"], flipped["high"], flipped["wins"], flipped["first"]
    (-0.1, -0.3, 0.1, 2, 'b')
    """
    a, b = read_names(pair)
    if a == first:
        return {**pair, "first": a, "second": b}
    verdict = {"ahead": "behind", "behind": "ahead"}.get(pair["verdict"], pair["verdict"])
    flipped = {**pair, "first": b, "second": a, "decoders": [b, a], "verdict": verdict}
    if is_defined(pair["mean"]):
        flipped |= {"mean": 0.0 - pair["mean"], "low": 0.0 - pair["high"], "high": 0.0 - pair["low"]}
        flipped["wins"] = pair.get("losses", pair["splits"] - pair["wins"])  # earlier results do not count equal splits
    return flipped


def describe_pair(pair: Pair) -> str:
    """Describe the verdict on two models in a sentence, with what would decide where it is undecided.

    >>> pair = dict(first="a", second="b", mean=0.03, low=0.01, high=0.05, wins=9, splits=10, verdict="ahead")
    >>> describe_pair(pair)
    'a is ahead of b by 0.030 SROCC [0.010, 0.050], in 9 of 10 splits.'
    >>> describe_pair({**pair, "low": -0.01, "verdict": "equivalent", "margin": 0.04})
    'a and b are equivalent within 0.04: mean SROCC difference +0.030 [-0.010, +0.050], a ahead in 9 of 10 splits.'
    """
    first, second = read_names(pair)
    if not is_defined(pair["mean"]):
        return f"{first} and {second}: the difference is undefined, as {pair['why']}."
    if pair["verdict"] == "behind":
        return describe_pair(orient_pair(pair, second))
    splits = count_nouns(pair["splits"], "split")
    if pair["verdict"] == "ahead":
        interval = f"[{pair['low']:.3f}, {pair['high']:.3f}]"
        return f"{first} is ahead of {second} by {pair['mean']:.3f} SROCC {interval}, in {pair['wins']} of {splits}."
    known = f"{pair['mean']:+.3f} {format_interval(pair)}, {first} ahead in {pair['wins']} of {splits}"
    if pair["verdict"] == "equivalent":
        return f"{first} and {second} are {format_verdict(pair)}: mean SROCC difference {known}."
    return f"{first} and {second}: undecided, mean SROCC difference {known}{explain_needed(pair)}."


def explain_needed(row: Pair) -> str:
    """Return what would decide an undecided difference or effect, after a semicolon; nothing where that is unknown.

    >>> explain_needed(dict(needed="at least 5 splits")), explain_needed(dict(needed=""))
    ('; a verdict needs at least 5 splits', '')
    >>> explain_needed(dict(needed="", mean=0.1, se=None))
    '; the difference is the same on every split, so that its spread is unknown'
    """
    needed = row["needed"]
    if not needed and "se" in row and is_defined(row["mean"]) and not is_defined(row["se"]):
        return "; the difference is the same on every split, so that its spread is unknown"
    if needed.startswith("at least"):
        return f"; a verdict needs {needed}"
    return f"; {needed} would decide, if mean and spread stay as they are" if needed else ""


def describe_pairs(pairs: Sequence[Pair], baseline: str | None, compared: Sequence[str]) -> list[str]:
    """Describe the verdict on every two compared models, then whether each of them is ahead of the baseline."""
    lines = [describe_pair(pair) for pair in pairs if baseline not in read_names(pair)]
    for model in compared:
        for pair in select_baseline_pairs(pairs, baseline, model):
            unearned = f"{model} has not earned its parameters. " if find_unearned(pair, baseline) else ""
            lines.append(unearned + describe_pair(pair))
    return lines


def summarize_baseline(
    pairs: Sequence[Pair],
    baseline: str | None,
    compared: Iterable[str],
    name: str,
    format_place: Callable[[Pair], str],
) -> list[str]:
    """Return for each compared model at which of several shares, backbones or datasets (``name``) it is not ahead of the baseline.

    >>> pairs = [dict(first="a", second="ridge", mean=0.1, verdict=verdict, at=at, splits=5) for verdict, at in (("ahead", 1), ("undecided", 2))]
    >>> summarize_baseline(pairs, "ridge", ["a"], "2 shares", lambda pair: f"{pair['at']} %")
    ['a has not earned its parameters at 1 of 2 shares, against ridge: 2 % (undecided).']
    """
    lines = []
    for model in compared:
        mine = select_baseline_pairs(pairs, baseline, model)
        unearned = [pair for pair in mine if find_unearned(pair, baseline)]
        where = ", ".join(f"{format_place(pair)} ({format_verdict(pair)})" for pair in unearned)
        if unearned:
            lines.append(
                f"{model} has not earned its parameters at {len(unearned)} of {name}, against {baseline}: {where}."
            )
        elif ahead := [pair for pair in mine if pair["verdict"] == "ahead"]:
            lines.append(f"{model} is ahead of {baseline} at {len(ahead)} of {name}.")
        elif few := [pair for pair in select_defined(mine) if pair["splits"] < FEWEST_SPLITS]:
            lines.append(f"{model} and {baseline}: undecided at {len(few)} of {name}{explain_needed(few[0])}.")
    return lines


def group_by_verdict(rows: Iterable[Pair]) -> dict[str, list[Pair]]:
    """Group differences or effects by verdict, in one order; verdicts that do not occur are left out."""
    rows = list(rows)
    grouped = {verdict: [row for row in rows if row["verdict"] == verdict] for verdict in VERDICTS}
    return {verdict: some for verdict, some in grouped.items() if some}


def count_verdicts(rows: Iterable[Pair]) -> str:
    """Count the verdicts of differences or effects.

    >>> count_verdicts([dict(verdict="ahead"), dict(verdict="undecided"), dict(verdict="ahead")])
    '2 ahead, 1 undecided'
    """
    return ", ".join(f"{len(some)} {verdict}" for verdict, some in group_by_verdict(rows).items())


def select_baseline_pairs(pairs: Sequence[Pair], baseline: str | None, model: str) -> list[Pair]:
    """Return the differences of a model and the baseline, the model first."""
    return [orient_pair(pair, model) for pair in pairs if {model, baseline} == set(read_names(pair))]


def summarize_verdicts(name: str, pairs: Sequence[Pair]) -> str:
    """Count the verdicts on two models over several shares, backbones or datasets (``name``) in a line.

    >>> pairs = [dict(first="a", second="b", mean=0.1, verdict=verdict) for verdict in ("ahead", "undecided", "undecided")]
    >>> summarize_verdicts("3 shares", pairs)
    'a and b at 3 shares: a ahead at 1, undecided at 2.'
    """
    first, second = pairs[0]["first"], pairs[0]["second"]
    verdicts = [format_verdict(pair) for pair in pairs]
    order = dict.fromkeys((f"{first} ahead", f"{second} ahead", *sorted(verdicts)))  # equivalent, undecided, undefined
    counted = ", ".join(f"{verdict} at {verdicts.count(verdict)}" for verdict in order if verdict in verdicts)
    return f"{first} and {second} at {name}: {counted}."
