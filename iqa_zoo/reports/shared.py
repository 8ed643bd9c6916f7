"""Medians, paired differences and undefined values as tables, cells and sentences, for the reports of all studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.summary import is_defined

Pair = Mapping[str, Any]  # a row of iqa_zoo.studies.summaries.differences
COLUMNS = ("mean", "95 % interval", "ahead in", "p (Holm)", "verdict")
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
SPLITS_NAMED = 3


def format_number(value: float | None, spec: str = ".3f") -> str:
    """Format a number, or ``undefined``.

    >>> format_number(0.8), format_number(None)
    ('0.800', 'undefined')
    """
    return format(value, spec) if value is not None and is_defined(value) else UNDEFINED


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


def read_difference(pair: Pair, offset: float = 0.0) -> Estimate:
    """Return a paired difference as an estimate, for plots; ``offset`` is added to it and its interval."""
    return Estimate(offset + pair["mean"], offset + pair["low"], offset + pair["high"])


def format_moved(budget: Mapping[str, Any]) -> str:
    """Format the settings that matching changed in a decoder; empty where there are none.

    >>> format_moved(dict(moved={"dim": (96, 72)}))
    'dim 96 → 72'
    """
    return ", ".join(f"{path} {old} → {new}" for path, (old, new) in budget["moved"].items())


def format_data_name(data: Mapping[str, Any]) -> str:
    """Format the name of a dataset for a title, with a warning where its labels are no ratings of people.

    >>> format_data_name(dict(name="demo", label="proxy: severity"))
    'demo, PROXY LABELS'
    """
    return data["name"] + ("" if data["label"] in HUMAN_LABELS else ", PROXY LABELS")


def format_difference(pair: Pair, ahead: str = "{} ahead", behind: str = "{} ahead") -> list[str]:
    """Format a paired difference as the cells of :data:`COLUMNS`.

    ``ahead`` and ``behind`` are the verdicts where the first model is ahead and where the second is; ``{}`` is its name.

    >>> format_difference(dict(first="a", second="b", mean=0.03, low=0.01, high=0.05, wins=9, splits=10, p_holm=0.01, tie=False))
    ['+0.030', '[+0.010, +0.050]', '9 of 10', '0.010', 'a ahead']
    """
    if not is_defined(pair["mean"]):
        return [UNDEFINED, "-", "-", "-", f"{UNDEFINED}: {pair['why']}"]
    return [
        f"{pair['mean']:+.3f}",
        format_interval(pair),
        f"{pair['wins']} of {pair['splits']}",
        f"{pair['p_holm']:.3f}",
        format_verdict(pair, ahead, behind),
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
) -> Table:
    """Return a table with a row per paired difference; ``more`` maps further columns to the functions that format their cells."""
    rows = [
        [f"{pair['first']} - {pair['second']}", *(cell(pair) for cell in more.values()), *format_difference(pair)]
        for pair in pairs
    ]
    columns = ["SROCC difference", *more, *COLUMNS]
    return Table(title, columns, rows, notes, left=["SROCC difference", *left, "verdict"])


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
    """Format which model is ahead: ``undecided`` where the interval contains 0, ``undefined`` where there is no difference.

    >>> format_verdict(dict(first="a", second="b", mean=0.03, tie=True)), format_verdict(dict(mean=None))
    ('undecided', 'undefined')
    """
    if not is_defined(pair["mean"]):
        return UNDEFINED
    if pair["tie"]:
        return "undecided"
    return ahead.format(pair["first"]) if pair["mean"] > 0 else behind.format(pair["second"])


def select_defined(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the differences that have a value."""
    return [pair for pair in pairs if is_defined(pair["mean"])]


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
    return [f"{count} of {len(trained)} trainings failed; medians are over the splits that are left: {named}."]


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


def describe_intervals(splits: int, pairs: Sequence[Pair] = ()) -> list[str]:
    """Describe how the intervals and p values of paired differences are computed.

    ``pairs`` with a single split in common have another interval.
    """
    undecided = "A pair whose interval contains 0 is undecided."
    if splits == 1:
        return [
            f"One split: interval by {BOOTSTRAP}, p by Williams' test, Holm-adjusted. {undecided} Another split or another "
            "training may give another result."
        ]
    notes = [
        f"Interval: {CORRECTED_T}. {undecided} p: Wilcoxon, Holm-adjusted. It lacks that correction: use it to compare with "
        "other papers only."
    ]
    if any(pair["splits"] == 1 for pair in pairs):
        notes.append(f"A pair with one split in common: {BOOTSTRAP}, p by Williams' test.")
    return notes


def summarize_verdicts(name: str, pairs: Sequence[Pair]) -> str:
    """Count the verdicts on two models over several shares, backbones or datasets (``name``) in a line.

    >>> pairs = [dict(first="a", second="b", mean=m, tie=t) for m, t in ((0.1, False), (0.01, True), (None, False))]
    >>> summarize_verdicts("3 shares", pairs)
    'a and b at 3 shares: a ahead at 1, undecided at 1, undefined at 1.'
    """
    first, second = pairs[0]["first"], pairs[0]["second"]
    verdicts = [format_verdict(pair) for pair in pairs]
    order = (f"{first} ahead", f"{second} ahead", "undecided", UNDEFINED)
    counted = ", ".join(f"{verdict} at {verdicts.count(verdict)}" for verdict in order if verdict in verdicts)
    return f"{first} and {second} at {name}: {counted}."
