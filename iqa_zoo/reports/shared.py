"""What the reports of several studies share: the decoders, medians, paired differences in words and table cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from iqa_zoo.reports.comparison import comparison_tables
from iqa_zoo.reports.table import Table

COLUMNS = ("mean", "95 % interval", "ahead in", "p (Holm)", "verdict")


def difference_cells(pair: Mapping[str, Any]) -> list[str]:
    """The cells of :data:`COLUMNS` for one of :func:`iqa_zoo.engine.comparison.differences`.

    >>> difference_cells(dict(first="a", second="b", mean=0.03, low=0.01, high=0.05, wins=9, splits=10, p_holm=0.01, tie=False))
    ['+0.030', '[+0.010, +0.050]', '9 of 10', '0.010', 'a ahead']
    """
    return [
        f"{pair['mean']:+.3f}",
        f"[{pair['low']:+.3f}, {pair['high']:+.3f}]",
        f"{pair['wins']} of {pair['splits']}",
        f"{pair['p_holm']:.3f}",
        verdict_of(pair),
    ]


def verdict_of(pair: Mapping[str, Any]) -> str:
    """Who is ahead; where the interval contains 0, nobody is.

    >>> verdict_of(dict(first="a", second="b", mean=0.03, tie=True))
    'a tie'
    """
    return "a tie" if pair["tie"] else f"{pair['first'] if pair['mean'] > 0 else pair['second']} ahead"


def interval_note(splits: int) -> str:
    """How the intervals and p values were made."""
    if splits > 1:
        return (
            "Interval: Student's t with the variance corrected for splits that share images (Nadeau and Bengio 2003); a pair "
            "whose interval contains 0 is a tie. p: Wilcoxon, without that correction, Holm-adjusted over all of the table."
        )
    return (
        "One split: interval by a paired bootstrap over its test images, p by Williams' test, Holm-adjusted; a pair whose "
        "interval contains 0 is a tie. Another split or another training may tell otherwise."
    )


def spread(values: Mapping[str, float]) -> str:
    """Median and quartiles.

    >>> spread(dict(median=0.8, q1=0.79, q3=0.81))
    '0.800 [0.790, 0.810]'
    """
    return f"{values['median']:.3f} [{values['q1']:.3f}, {values['q3']:.3f}]"


def summary_of(name: str, pairs: Sequence[Mapping[str, Any]]) -> str:
    """Over several places (shares, backbones, datasets) in a line: who is ahead in how many.

    >>> pairs = [dict(first="a", second="b", mean=m, tie=t) for m, t in ((0.1, False), (0.01, True), (0.1, False))]
    >>> summary_of("3 shares", pairs)
    'a and b at 3 shares: a ahead at 2, ties at 1.'
    """
    first, second = pairs[0]["first"], pairs[0]["second"]
    counts = {f"{who} ahead": sum(verdict_of(pair) == f"{who} ahead" for pair in pairs) for who in (first, second)}
    counts["ties"] = sum(bool(pair["tie"]) for pair in pairs)
    told = ", ".join(f"{what} at {number}" for what, number in counts.items() if number)
    return f"{first} and {second} at {name}: {told}."


def decoders_table(results: Mapping[str, Any]) -> Table:
    """The decoders as they were trained: their sizes, and what was moved to match them."""
    wanted = {key: results[key] for key in ("matched", "match", "target", "yardstick", "backbone") if key in results}
    table = comparison_tables(wanted)[0]
    return replace(table, title=table.title.removeprefix("(b) "))
