"""Tables, sentences and plots of a component swap, made from its results alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.reports.marks import Pair
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    describe_choice,
    describe_intervals,
    format_interval,
    format_spread,
    label_differences,
    read_difference,
    select_defined,
)
from iqa_zoo.reports.table import Table, count, tabulate_keys
from iqa_zoo.reports.verdicts import count_verdicts, describe_pairs, orient_pair
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.factorial import find_factors
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.swap.effects import describe_effects, tabulate_effects, tabulate_interactions
from iqa_zoo.studies.swap.levels import FACTORS
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
UNITS = {"params": "parameters", "macs": "MACs"}


def make_tables(results: Results) -> list[Table]:
    """Main effects, the largest interactions, all combinations ranked, and what could not be built."""
    tables = []
    if results["analysis"]["main"]:
        tables.append(tabulate_effects(results, _where(results)))
    if results["analysis"]["interactions"]:
        tables.append(tabulate_interactions(results))
    tables.append(_combinations(results))
    return tables + tabulate_keys("Not built", results["refused"], ["what", "combinations", "reason"], ["combinations"])


def _where(results: Results) -> str:
    return f"{results['data']['name']}, decoders of {count(results['target'])} {UNITS[results['match']]} on {results['backbone']}"


def _combinations(results: Results) -> Table:
    behind = {row["second"]: row for row in results["behind_first"]}
    # A median over fewer splits than the others' has no rank, as the first is one that is defined on every split.
    unranked = {row["model"] for row in results["rows"] if not _is_ranked(results, row["model"])}
    ordered = sorted(results["rows"], key=lambda row: (row["model"] in unranked, -_median(results, row["model"])))
    rows = []
    for i, row in enumerate(ordered, 1):
        rank = "-" if row["model"] in unranked else str(i)
        quality, difference = _quality(results, behind, row["model"])
        decoder = row["budget"]["decoder"]
        moved = format_moved(row["budget"]["moved"]) or "-"
        levels = [row["levels"][factor] for factor in FACTORS]
        sizes = [count(decoder["params"]), count(decoder["macs"])]
        rows.append([rank, *levels, quality, difference, *sizes, moved])
    rows.append(_baseline(results, behind))
    parts = list(FACTORS.values())
    columns = ["", *parts, "SROCC, median [quartiles]", "to the first, mean", "params", "MACs", "moved"]
    defined = select_defined(results["behind_first"])
    to_first = [orient_pair(pair, pair["second"]) for pair in defined if pair["second"] != results["baseline"]]
    sizes_of = [row["budget"]["decoder"][results["match"]] for row in results["rows"]]
    furthest = max(abs(size / results["target"] - 1) for size in sizes_of)
    notes = [
        *list_protocol_notes(results),
        f"{results['depth']} layers of the mixing block and cross-attention, parts with their default settings, as wide "
        f"as suits a model width of {results['dim']}; moved: the widths that match_budget changed for the budget ({count(results['target'])} "
        f"{UNITS[results['match']]}, all within {furthest:.1%}). Depth and the number of experts stay.",
        *(["-: a training failed, or the SROCC is undefined on a split; no rank."] if unranked else []),
        *_describe_first(results, to_first),
    ]
    left = [*columns[1:5], "moved"]
    return Table(f"All combinations: {_where(results)}", columns, rows, notes, left=left)


def _describe_first(results: Results, to_first: Sequence[Pair]) -> list[str]:
    """Describe the differences to the first; nothing where there is none."""
    pairs = results["behind_first"]
    if not pairs:
        return []
    return [
        f"To the first, of the other {len(to_first)}: {count_verdicts(to_first)}.",
        describe_choice("The first", results.get("possible_pairs")),
        *describe_intervals(len(results["splits"]), pairs),
    ]


def _is_ranked(results: Results, model: str) -> bool:
    summary = results["summary"].get(model)
    return summary is not None and not summary["srocc"].get("undefined")


def _quality(results: Results, behind: dict[str, Results], model: str) -> tuple[str, str]:
    """Median and quartiles of a model's SROCC, and its paired difference to the first one."""
    quality = format_spread(results["summary"][model]["srocc"]) if model in results["summary"] else "failed"
    pair = behind.get(model)
    if pair is None:
        return quality, "-"
    if not is_defined(pair["mean"]):
        return quality, "undefined"
    turned = orient_pair(pair, model)
    return quality, f"{turned['mean']:+.3f} {format_interval(turned)}, {turned['verdict']}"


def _baseline(results: Results, behind: dict[str, Results]) -> list[str]:
    name, decoder = results["baseline"], results["baseline_budget"]["decoder"]
    sizes = [count(decoder["params"]), count(decoder["macs"])]
    return ["", name, "-", "-", "-", *_quality(results, behind, name), *sizes, "baseline, not matched"]


def _median(results: Results, model: str) -> float:
    summary = results["summary"].get(model)
    if summary is None:
        return -3.0  # failed
    return float(summary["srocc"]["median"]) if is_defined(summary["srocc"]["median"]) else -2.0


def make_sentences(results: Results) -> list[str]:
    """The verdict on every part, on interactions, and on the best combination against the baseline."""
    baseline, pairs = results["baseline"], results["behind_first"]
    against = [pair for pair in pairs if pair["second"] == baseline]
    return [*describe_effects(results), *describe_pairs(against, baseline, [pair["first"] for pair in against])]


def make_figures(results: Results) -> dict[str, Figure]:
    """Main effects with their intervals, and the mean SROCC of every combination as a matrix."""
    from iqa_zoo.reports.plots import plot_forest, plot_matrix

    where = (
        f"{results['data']['name']}, {results['data']['images']} images, {count_nouns(len(results['splits']), 'split')},\n"
        f"{results['backbone']}, decoders of {count(results['target'])} {UNITS[results['match']]}"
    )
    figures = {}
    groups: dict[str, dict[str, Estimate]] = {}
    for row in results["analysis"]["main"]:
        name = FACTORS[row["factor"]]
        groups.setdefault(name, {})[f"{name}: {row['level']}"] = read_difference(row)
    if groups:
        label = f"To the mean of all combinations: {label_differences(results['analysis']['main'])}"
        figures["main_effects"] = plot_forest(groups, title=f"What each part adds: {where}", label=label)
    mean = {model: sum(scores) / len(scores) for model, scores in _scores(results["runs"]).items()}
    if results["rows"]:
        swapped = find_factors([row["levels"] for row in results["rows"]])
        value = {tuple(row["levels"][f] for f in FACTORS): mean.get(row["model"]) for row in results["rows"]}
        cells = [[value.get((q, i, m, h)) for i, h in _pairs(results, "interactions", "head")]
                 for q, m in _pairs(results, "queries", "memory")]  # fmt: skip
        figures["matrix"] = plot_matrix(
            cells,
            [_label(swapped, queries=q, memory=m) for q, m in _pairs(results, "queries", "memory")],
            [_label(swapped, interactions=i, head=h) for i, h in _pairs(results, "interactions", "head")],
            title=f"Every combination: {where}",
            label="SROCC, mean over the splits",
        )
    return figures


def _pairs(results: Results, first: str, second: str) -> list[tuple[str, str]]:
    """Return all pairs of the levels of two factors."""
    a, b = (list(dict.fromkeys(row["levels"][factor] for row in results["rows"])) for factor in (first, second))
    return [(x, y) for x in a for y in b]


def _label(swapped: dict[str, list[str]], **levels: str) -> str:
    """Return the levels without those of a factor that has only one."""
    several = [level for factor, level in levels.items() if factor in swapped]
    return ", ".join(several or levels.values())


def _scores(runs: Iterable[Results]) -> dict[str, list[float]]:
    """Collect the defined SROCCs of each model."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if "error" not in run and is_defined(run["srocc"]):
            found.setdefault(run["model"], []).append(run["srocc"])
    return found
