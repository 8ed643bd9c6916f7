"""The effects and interactions of parts as tables and sentences, with their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from iqa_zoo.reports.marks import mark_pair
from iqa_zoo.reports.shared import CORRECTED_T, describe_rule, format_interval, format_p
from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.reports.verdicts import count_verdicts, explain_needed, group_by_verdict
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.swap.levels import FACTORS
from iqa_zoo.words import count_nouns

Results = dict[str, Any]
SHOWN = 12  # interactions in their table
NAMED = 5  # interactions of a verdict in a sentence

CELLS: dict[str, Callable[[Results], str]] = {
    "effect": lambda row: f"{row['mean']:+.3f}",
    "95 % interval": format_interval,
    "p": lambda row: format_p(row["p"]),
    "verdict": lambda row: row["verdict"],
    "would decide": lambda row: row["needed"] or "-",
}
LEFT = ("verdict", "would decide")


def tabulate_effects(results: Results, where: str) -> Table:
    """The main effect of every level."""
    analysis = results["analysis"]
    cells = {
        "factor": lambda row: FACTORS[row["factor"]],
        "level": lambda row: row["level"],
        "combinations": lambda row: str(row["combinations"]),
        "SROCC, mean": lambda row: f"{row['srocc']:.3f}",
        **CELLS,
    }
    notes = [
        f"Effect: the mean over the combinations with the level minus the mean of all ({analysis['grand']:.3f}), on each of "
        f"{count_nouns(len(results['splits']), 'split')}, then their mean.",
        *_describe_estimates(analysis, analysis["main"]),
        *_describe_reference(analysis["main"][0]["margin"]),
        *_describe_completeness(analysis, results.get("drawn_of")),
        "Variance between combinations (means over splits, chance included): "
        + ", ".join(f"{_format_factors(name)} {share:.0%}" for name, share in analysis["shares"].items())
        + ".",
    ]
    title = f"What each part adds: {where}"
    return _mark(tabulate(title, analysis["main"], cells, notes, left=["factor", "level", *LEFT]), analysis["main"])


def _describe_estimates(analysis: Results, rows: Sequence[Results]) -> list[str]:
    """Describe how intervals and verdicts of effects are made."""
    if not is_defined(rows[0]["margin"]):
        return [
            "Results of an earlier version: the interval is not adjusted for the number of contrasts and lacks the error of sampling "
            "the test images, p is Holm-adjusted, a decided effect has p below 0.05 too, and nothing was tested for equivalence."
        ]
    why = analysis["why_no_sampling"]
    sampling = (
        f"without the error of sampling the test images ({why})"
        if why
        else "with the error of sampling the test images (jackknife)"
    )
    return [
        f"Interval and p: {CORRECTED_T}, {sampling}; adjusted for {rows[0]['pairs']} contrasts (Bonferroni).",
        *describe_rule(rows),
    ]


def _describe_reference(margin: float | None) -> list[str]:
    """Describe what levels are compared to; nothing for results of earlier versions, which have no margin."""
    if margin is None:
        return []
    return [
        f"Ahead is better than the mean of all; two levels that are equivalent to it may be up to {2 * margin:g} apart."
    ]


def _format_factors(name: str) -> str:
    return " x ".join(FACTORS.get(factor, factor) for factor in name.split(" x "))


def _describe_completeness(analysis: Results, drawn_of: int | None) -> list[str]:
    if analysis["complete"]:
        return [f"The table is complete: {count_nouns(analysis['combinations'], 'combination')}."]
    if drawn_of is None:
        there = f"Combinations are missing, {analysis['combinations']} are there"
    else:
        there = f"{analysis['combinations']} of {drawn_of:,} combinations, drawn so that each part comes about equally often"
    return [
        f"{there}: effects are of a least-squares fit whose effects add up to 0 in each factor, so that a level is judged "
        "independently of the levels that it occurs with; with all combinations it would be the means. What parts do to each "
        "other by pairs is not in the fit and moves the effects of levels that few combinations have."
    ]


def tabulate_interactions(results: Results) -> Table:
    """The largest interactions."""
    found = select_distinct(results["analysis"]["interactions"])
    notes = [
        "Effect: what two parts do together beyond what each adds alone (mean of the cell - of its row - of its column + of all). "
        f"Of {len(found)}: {count_verdicts(found)}. An interaction that is the mirror image of another, as with factors of two "
        "levels, counts once. Ahead: the two do more together than each adds alone.",
        *_describe_estimates(results["analysis"], found),
        *(
            f"{FACTORS[a]} x {FACTORS[b]}: not known, as some of its pairs are not there or too few combinations are."
            for a, b in results["analysis"]["unknown"]
        ),
    ]
    cells = {
        "factors": lambda row: " x ".join(FACTORS[factor] for factor in row["factors"]),
        "levels": lambda row: " x ".join(row["levels"]),
        "combinations": lambda row: str(row["combinations"]),
        **CELLS,
    }
    title = f"The {SHOWN} largest interactions" if len(found) > SHOWN else "The interactions"
    return _mark(tabulate(title, found[:SHOWN], cells, notes, left=["factors", "levels", *LEFT]), found[:SHOWN])


def _mark(table: Table, rows: Sequence[Results]) -> Table:
    return replace(table, marks=list(map(mark_pair, rows)), marked="effect", bold="ahead or behind")


def select_distinct(found: Sequence[Results]) -> list[Results]:
    """Return the interactions, the largest first, without mirror images: of a factor's two levels the one that does better.

    >>> rows = [dict(factors=["head", "memory"], levels=[head, "x"], mean=mean) for head, mean in (("a", 0.1), ("b", -0.1))]
    >>> [row["levels"] for row in select_distinct(rows)]
    [['a', 'x']]
    """
    levels_of: dict[str, set[str]] = {}
    for row in found:
        for factor, level in zip(row["factors"], row["levels"], strict=True):
            levels_of.setdefault(factor, set()).add(level)
    kept: dict[tuple[Any, ...], Results] = {}
    for row in sorted(found, key=lambda row: -row["mean"]):
        named = zip(row["factors"], row["levels"], strict=True)
        kept.setdefault(tuple((factor, level if len(levels_of[factor]) > 2 else "") for factor, level in named), row)
    return sorted(kept.values(), key=lambda row: -abs(row["mean"]))


def describe_effects(results: Results) -> list[str]:
    """Return the verdict on every part and what would decide the undecided ones, then the verdicts on interactions."""
    analysis = results["analysis"]
    if analysis["why"]:
        return [f"Effects are not determined: {analysis['why']}."]
    if not analysis["main"]:
        return ["Nothing was swapped: every factor has one level."]
    decided = {row["factor"] for row in analysis["main"] if row["verdict"] in ("ahead", "behind")}
    matter = ", ".join(FACTORS[factor] for factor in FACTORS if factor in decided)
    lines = [
        f"What matters: {matter}." if matter else "No part is shown to be better or worse than the mean of its kind."
    ]
    for factor in sorted({row["factor"] for row in analysis["main"]}, key=lambda factor: -analysis["shares"][factor]):
        lines.append(_describe_factor(factor, analysis))
    lines += _list_undecided(analysis["main"])
    return lines + _describe_interactions(select_distinct(analysis["interactions"]))


def _describe_factor(factor: str, analysis: Results) -> str:
    rows = sorted((row for row in analysis["main"] if row["factor"] == factor), key=lambda row: -row["mean"])
    phrases = [
        f"{_format_verdict(verdict, some[0]['margin'])}: "
        + ", ".join(f"{row['level']} {row['mean']:+.3f} {format_interval(row)}" for row in some)
        for verdict, some in group_by_verdict(rows).items()
    ]
    return f"{FACTORS[factor]} ({analysis['shares'][factor]:.0%} of the variance), against the mean of all: {'; '.join(phrases)}."


def _format_verdict(verdict: str, margin: float | None) -> str:
    return f"equivalent within {margin:g}" if verdict == "equivalent" else verdict


def _list_undecided(rows: Sequence[Results]) -> list[str]:
    """Return what would decide the undecided parts; parts that need the same share a line."""
    grouped: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row["verdict"] == "undecided" and (needed := explain_needed(row)):
            grouped.setdefault(needed, {}).setdefault(row["factor"], []).append(row["level"])
    lines = []
    for needed, named in grouped.items():
        parts = "; ".join(f"{FACTORS[factor]} {', '.join(levels)}" for factor, levels in named.items())
        lines.append(f"{parts}: undecided{needed}.")
    return lines


def _describe_interactions(distinct: Sequence[Results]) -> list[str]:
    if not distinct:
        return []
    lines = [f"{count_nouns(len(distinct), 'interaction')} of two parts: {count_verdicts(distinct)}."]
    for verdict, some in group_by_verdict(distinct).items():
        shown = ", ".join(f"{' with '.join(row['levels'])} {row['mean']:+.3f}" for row in some[:NAMED])
        if verdict in ("ahead", "behind"):
            lines.append(f"{verdict.capitalize()} of what their parts add alone: {shown}.")
        elif verdict == "undecided" and (needed := explain_needed(some[0])):
            lines.append(
                f"The largest that is undecided: {' with '.join(some[0]['levels'])} {some[0]['mean']:+.3f}{needed}."
            )
    return lines
