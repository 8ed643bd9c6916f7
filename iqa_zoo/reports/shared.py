"""Medians and paired differences as tables, cells and sentences, for the reports of all studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from iqa_zoo.reports.marks import Pair, mark_pair, read_names
from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.stats.estimate import FEWEST_SPLITS, Estimate
from iqa_zoo.stats.summary import is_defined

COLUMNS = ("mean", "95 % interval", "ahead in", "p", "verdict", "would decide")
CORRECTED_T = "Student's t, the variance corrected for splits that share images (Nadeau and Bengio 2003)"
BOOTSTRAP = "a paired bootstrap over the test images (whole contents, where images share them)"
METRIC_TITLES = {
    "srocc": "SROCC",
    "plcc": "PLCC, raw scores",
    "plcc_logistic4": "PLCC, after a 4-parameter logistic",
    "krocc": "KROCC",
    "rmse": "RMSE, raw scores",
    "rmse_logistic4": "RMSE, after a 4-parameter logistic",
}  # in the order of tables
HUMAN_LABELS = ("MOS", "DMOS")
UNDEFINED = "undefined"


def format_number(value: float | None, spec: str = ".3f") -> str:
    """Format a number, or ``undefined``.

    >>> format_number(0.8), format_number(None)
    ('0.800', 'undefined')
    """
    return format(value, spec) if value is not None and is_defined(value) else UNDEFINED


def format_p(value: float | None) -> str:
    """Format a p value, or ``undefined``.

    >>> format_p(0.04), format_p(2e-6), format_p(None)
    ('0.040', '< 0.001', 'undefined')
    """
    return "< 0.001" if value is not None and value < 0.001 else format_number(value)


def format_spread(values: Mapping[str, Any]) -> str:
    """Format median and quartiles, and the number of splits on which the metric is undefined, if any.

    >>> format_spread(dict(median=0.8, q1=0.79, q3=0.81, undefined=1))
    '0.800 [0.790, 0.810], 1 undefined'
    """
    if not is_defined(values["median"]):
        return UNDEFINED
    left_out = f", {values['undefined']} undefined" if values.get("undefined") else ""
    return f"{values['median']:.3f} [{values['q1']:.3f}, {values['q3']:.3f}]{left_out}"


def read_spread(values: Mapping[str, Any]) -> Estimate:
    """Return median and quartiles as an estimate, for plots."""
    return Estimate(values["median"], values["q1"], values["q3"])


def read_difference(pair: Pair) -> Estimate:
    """Return a paired difference, or an effect, as an estimate with its verdict, for plots."""
    known = {key: pair[key] for key in ("p_ahead", "p_behind", "pairs") if pair.get(key) is not None}
    # Results of earlier versions have no margin; 0 is one within which nothing is equivalent.
    known |= {"margin": pair.get("margin") or 0.0, "count": pair["splits"]}
    return Estimate(pair["mean"], pair["low"], pair["high"], **known)


def label_differences(pairs: Sequence[Pair]) -> str:
    """Label the axis of a figure of differences, which draws verdicts as markers.

    >>> label_differences([dict(margin=0.01)])
    'SROCC difference, 95 % interval\\n(filled: ahead; half: equivalent within 0.01; hollow: undecided)'
    """
    margins = [pair["margin"] for pair in pairs if is_defined(pair.get("margin"))]
    half = f"half: equivalent within {margins[0]:g}; " if margins else ""
    return f"SROCC difference, 95 % interval\n(filled: ahead; {half}hollow: undecided)"


def format_data_name(data: Mapping[str, Any]) -> str:
    """Format the name of a dataset for a title, with a warning where its labels are no ratings of people.

    >>> format_data_name(dict(name="demo", label="proxy: severity"))
    'demo, PROXY LABELS'
    """
    return data["name"] + ("" if data["label"] in HUMAN_LABELS else ", PROXY LABELS")


def format_difference(pair: Pair, ahead: str = "{} ahead", behind: str = "{} ahead") -> list[str]:
    """Format a paired difference as the cells of :data:`COLUMNS`.

    ``ahead`` and ``behind`` are the verdicts where the first model is ahead and where the second is; ``{}`` is its name.

    >>> format_difference(
    ...     dict(first="a", second="b", mean=0.03, low=0.01, high=0.05, wins=9, splits=10, p=0.01, verdict="ahead", needed=""))
    ['+0.030', '[+0.010, +0.050]', '9 of 10', '0.010', 'a ahead', '-']
    """
    if not is_defined(pair["mean"]):
        return [UNDEFINED, "-", "-", "-", f"{UNDEFINED}: {pair['why']}", "-"]
    return [
        f"{pair['mean']:+.3f}",
        format_interval(pair),
        f"{pair['wins']} of {pair['splits']}",
        format_p(pair["p"]),
        format_verdict(pair, ahead, behind),
        pair.get("needed", "") or "-",
    ]


def format_interval(row: Mapping[str, Any]) -> str:
    """Format the interval of a difference or an effect, with signs.

    >>> format_interval(dict(low=-0.01, high=0.05))
    '[-0.010, +0.050]'
    """
    return f"[{row['low']:+.3f}, {row['high']:+.3f}]"


def tabulate_differences(
    title: str,
    pairs: Sequence[Pair],
    notes: Sequence[str],
    more: Mapping[str, Callable[[Pair], str]] = MappingProxyType({}),
    left: Sequence[str] = (),
    baseline: str | None = None,
) -> Table:
    """Return a table with a row per paired difference; ``more`` maps further columns to the functions that format their cells.

    Where a decoder is not ahead of ``baseline``, the verdict adds that it has not earned its parameters.
    """
    rows = []
    for pair in pairs:
        *numbers, verdict, needed = format_difference(pair)
        if model := find_unearned(pair, baseline):
            verdict += f"; {model} has not earned its parameters"
        own = [cell(pair) for cell in more.values()]
        rows.append([f"{pair['first']} - {pair['second']}", *own, *numbers, verdict, needed])
    columns = ["SROCC difference", *more, *COLUMNS]
    marks = [mark_pair(pair) for pair in pairs]
    aligned = ["SROCC difference", *left, "verdict", "would decide"]
    return Table(title, columns, rows, notes, aligned, marks, "mean")


def find_unearned(pair: Pair, baseline: str | None) -> str | None:
    """Return the decoder of a pair that is not ahead of the baseline, and so has not earned its parameters; None without one.

    Fewer than ``FEWEST_SPLITS`` splits can show that of no decoder, so they give None as well.

    >>> pair = dict(first="a", second="ridge", mean=0.0, verdict="equivalent", splits=10)
    >>> find_unearned(pair, "ridge"), find_unearned({**pair, "verdict": "ahead"}, "ridge")
    ('a', None)
    """
    first, second = read_names(pair)
    if baseline not in (first, second) or not is_defined(pair["mean"]) or pair["splits"] < FEWEST_SPLITS:
        return None
    model, ahead = (first, "ahead") if second == baseline else (second, "behind")
    return None if pair["verdict"] == ahead else model


def tabulate_distortions(
    title: str, records: Sequence[Mapping[str, Any]], cells: Mapping[str, Callable[[Any], str]]
) -> list[Table]:
    """Return a table of ``srocc_by_distortion``, a dash where a distortion was not measured; no table without distortions."""

    def make_cell(kind: str) -> Callable[[Mapping[str, Any]], str]:
        return lambda row: format_number(row[key][kind]) if kind in row[key] else "-"

    key = "srocc_by_distortion"
    kinds = sorted({kind for record in records for kind in record[key]})
    columns = {**cells, **{kind: make_cell(kind) for kind in kinds}}
    return [tabulate(title, records, columns, left=list(cells))] if kinds else []


def format_verdict(pair: Pair, ahead: str = "{} ahead", behind: str = "{} ahead") -> str:
    """Format the verdict on two models; ``undefined`` where there is no difference.

    >>> pair = dict(first="a", second="b", mean=0.03, margin=0.01)
    >>> [format_verdict({**pair, "verdict": verdict}) for verdict in ("ahead", "behind", "equivalent", "undecided")]
    ['a ahead', 'b ahead', 'equivalent within 0.01', 'undecided']
    """
    if not is_defined(pair["mean"]):
        return UNDEFINED
    if pair["verdict"] == "ahead":
        return ahead.format(pair["first"])
    if pair["verdict"] == "behind":
        return behind.format(pair["second"])
    return f"equivalent within {pair['margin']:g}" if pair["verdict"] == "equivalent" else "undecided"


def select_defined(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the differences that have a value."""
    return [pair for pair in pairs if is_defined(pair["mean"])]


def describe_intervals(splits: int, pairs: Sequence[Pair] = ()) -> list[str]:
    """Describe how the intervals, verdicts and p values of paired differences are computed.

    ``pairs`` with a single split in common have another interval. Those of results of earlier versions have no margin.
    """
    if pairs and not any(is_defined(pair.get("margin")) for pair in pairs):
        return [
            "Results of an earlier version: the interval is not adjusted for the number of pairs and lacks the error of sampling "
            "the test images, p is Holm-adjusted, and nothing was tested for equivalence."
        ]
    adjusted = max((pair["pairs"] for pair in pairs), default=1)
    bonferroni = (
        f" Interval, verdict and p are adjusted for {adjusted} comparisons (Bonferroni)." if adjusted > 1 else ""
    )
    if splits == 1:
        return [
            f"One split: interval by {BOOTSTRAP}; undecided, as a verdict needs at least {FEWEST_SPLITS} splits.{bonferroni} "
            "Another split or another training may give another result."
        ]
    notes = [
        f"Interval: {CORRECTED_T}, with the error of sampling the test images (jackknife). p is of the same t.{bonferroni}",
        *describe_rule(pairs),
    ]
    if any(pair["splits"] == 1 for pair in pairs):
        notes.append(f"A pair with one split in common: {BOOTSTRAP}.")
    unknown = {pair["why"]: pair for pair in pairs if is_defined(pair["mean"]) and pair.get("why")}
    for why, pair in unknown.items():
        notes.append(
            f"{pair['first']} - {pair['second']}: the interval lacks the error of sampling the test images: {why}."
        )
    return notes


def describe_choice(chosen: str, possible_pairs: int | None) -> str:
    """Describe how intervals allow for ``chosen``, a model that was chosen by the results that they are of.

    ``possible_pairs`` is what they are adjusted for: all pairs that could have been compared, had another model been
    chosen. All of their intervals hold at once, so those of the pairs that were compared do, whatever the choice. None is
    for results of earlier versions, which counted the compared pairs only.

    >>> describe_choice("The best level", 15)[-93:]
    'are adjusted for all 15 pairs that the choice could have led to, not only for those compared.'
    """
    favour = f"{chosen} is chosen by its median SROCC on these test parts, so that its median and its differences are on average too high."
    if possible_pairs is None:
        return f"{favour} Intervals and verdicts of this earlier version do not allow for the choice."
    return (
        f"{favour} Interval, verdict and p are adjusted for all {possible_pairs} pairs that the choice could have led to, not only for "
        "those compared."
    )


def describe_rule(pairs: Sequence[Pair] = ()) -> list[str]:
    """Describe when two models are equivalent, ahead or undecided; an empty list without pairs.

    >>> describe_rule([dict(margin=0.02)])[0][:60]
    'equivalent within 0.02: the 90 % interval lies within 0.02 o'
    """
    return [
        f"equivalent within {pair['margin']:g}: the 90 % interval lies within {pair['margin']:g} of 0 (two one-sided tests). Else "
        f"ahead: the 95 % interval excludes 0. Else undecided, and so is a pair with fewer than {FEWEST_SPLITS} splits; what would "
        "decide is computed for the mean and the spread that were seen, with a variance never below Nadeau and Bengio's; where it names "
        "images only, no number of splits up to 100 decides."
        for pair in [pair for pair in pairs if is_defined(pair.get("margin"))][:1]
    ]
