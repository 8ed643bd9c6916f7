"""Tables, sentences and plots of a component swap, made from its results alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import CORRECTED_T, format_interval, format_spread, select_defined
from iqa_zoo.reports.table import Table, count, tabulate, tabulate_keys
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.factorial import find_factors
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.swap.levels import FACTORS, WORDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
UNITS = {"params": "parameters", "macs": "MACs"}
SHOWN = 12  # interactions in their table


def make_tables(results: Results) -> list[Table]:
    """Main effects, the largest interactions, all combinations ranked, and what could not be built."""
    tables = []
    if results["analysis"]["main"]:
        tables.append(_main_effects(results))
    if results["analysis"]["interactions"]:
        tables.append(_interactions(results))
    tables.append(_combinations(results))
    return tables + tabulate_keys("Not built", results["refused"], ["what", "combinations", "reason"], ["combinations"])


def _where(results: Results) -> str:
    return f"{results['data']['name']}, decoders of {count(results['target'])} {UNITS[results['match']]} on {results['backbone']}"


EFFECT_CELLS: dict[str, Callable[[Results], str]] = {
    "effect": lambda row: f"{row['effect']:+.3f}",
    "95 % interval": format_interval,
    "p (Holm)": lambda row: f"{row['p_holm']:.3f}",
    "verdict": lambda row: row["verdict"],
}


def _main_effects(results: Results) -> Table:
    analysis = results["analysis"]
    cells = {
        "factor": lambda row: WORDS[row["factor"]],
        "level": lambda row: row["level"],
        "combinations": lambda row: str(row["combinations"]),
        "SROCC, mean": lambda row: f"{row['srocc']:.3f}",
        **EFFECT_CELLS,
    }
    notes = [
        f"Effect: the mean over the combinations with the level minus the mean of all ({analysis['grand']:.3f}), on each of "
        f"{len(results['splits'])} splits, then their mean; interval and p by {CORRECTED_T}. Undecided: the interval contains 0, or "
        "the Holm-adjusted p is 0.05 or more.",
        "The intervals cover other splits of these images, not other trainings on one split.",
        *_completeness(analysis, results.get("drawn_of")),
        "Variance between combinations (means over splits, chance included): "
        + ", ".join(f"{_format_factors(name)} {share:.0%}" for name, share in analysis["shares"].items())
        + ".",
    ]
    title = f"What each part adds: {_where(results)}"
    return tabulate(title, analysis["main"], cells, notes, left=["factor", "level", "verdict"])


def _format_factors(name: str) -> str:
    return " x ".join(WORDS.get(factor, factor) for factor in name.split(" x "))


def _completeness(analysis: Results, drawn_of: int | None) -> list[str]:
    if analysis["complete"]:
        return [f"The table is complete: {analysis['combinations']} combinations."]
    if drawn_of is None:
        there = f"Combinations are missing, {analysis['combinations']} are there"
    else:
        there = f"{analysis['combinations']} of {drawn_of:,} combinations, drawn so that each part comes about equally often"
    return [
        f"{there}: effects are of a least-squares fit whose effects add up to 0 in each factor, so that no level is judged by the "
        "company it keeps; with all combinations it would be the means. What parts do to each other by pairs is not in the fit and "
        "moves the effects of levels that few combinations have."
    ]


def _interactions(results: Results) -> Table:
    found = _distinct(results["analysis"]["interactions"])
    real = sum(not row["tie"] for row in found)
    notes = [
        "Effect: mean of the combinations with both levels, minus what the two levels' own effects add up to; + is a pair that does "
        f"better together than apart. {real} of {len(found)} are decided; p adjusted over all {len(found)}, "
        "a mirror image, as factors of two levels have it, counted once.",
        *(
            f"{WORDS[a]} x {WORDS[b]}: not known, as some of its pairs are not there or too few combinations are."
            for a, b in results["analysis"]["unknown"]
        ),
    ]
    cells = {
        "factors": lambda row: " x ".join(WORDS[factor] for factor in row["factors"]),
        "levels": lambda row: " x ".join(row["levels"]),
        "combinations": lambda row: str(row["combinations"]),
        **EFFECT_CELLS,
    }
    title = f"The {SHOWN} largest interactions" if len(found) > SHOWN else "The interactions"
    return tabulate(title, found[:SHOWN], cells, notes, left=["factors", "levels", "verdict"])


def _distinct(found: list[Results]) -> list[Results]:
    """Return the interactions without mirror images, which factors of two levels have."""
    kept: dict[tuple[Any, ...], Results] = {}
    for row in sorted(found, key=lambda row: -row["effect"]):  # of the two the one that does better
        kept.setdefault((*row["factors"], f"{abs(row['effect']):.9f}", f"{row['p']:.9f}"), row)
    return sorted(kept.values(), key=lambda row: -abs(row["effect"]))


def _combinations(results: Results) -> Table:
    behind = {row["second"]: row for row in results["behind_first"]}
    ranked = sorted(results["rows"], key=lambda row: -_median(results, row["model"]))
    rows = []
    for rank, row in enumerate(ranked, 1):
        quality, difference = _quality(results, behind, row["model"])
        decoder = row["budget"]["decoder"]
        moved = format_moved({path: (old, new) for path, (old, new) in row["budget"]["moved"].items()}) or "-"
        levels = [row["levels"][factor] for factor in FACTORS]
        sizes = [count(decoder["params"]), count(decoder["macs"])]
        rows.append([str(rank), *levels, quality, difference, *sizes, moved])
    rows.append(_baseline(results, behind))
    parts = [WORDS[factor] for factor in FACTORS]
    columns = ["", *parts, "SROCC, median [quartiles]", "to the first, mean", "params", "MACs", "moved"]
    others = [pair for pair in select_defined(results["behind_first"]) if pair["second"] != results["baseline"]]
    sizes_of = [row["budget"]["decoder"][results["match"]] for row in results["rows"]]
    furthest = max(abs(size / results["target"] - 1) for size in sizes_of)
    notes = [
        *list_protocol_notes(results),
        f"{results['depth']} layers of the mixing block and cross-attention, parts with their default settings, as wide "
        f"as suits a model width of {results['dim']}; moved: the widths that match_budget changed for the budget ({count(results['target'])} "
        f"{UNITS[results['match']]}, all within {furthest:.1%}). Depth and the number of experts stay.",
        f"{sum(pair['tie'] for pair in others)} of the other {len(others)} are undecided against the first: the interval of the paired difference "
        "contains 0 (not adjusted; the first was chosen by looking, so its lead is flattered).",
    ]
    left = [*columns[1:5], "moved"]
    return Table(f"All combinations: {_where(results)}", columns, rows, notes, left=left)


def _quality(results: Results, behind: dict[str, Results], model: str) -> tuple[str, str]:
    """Median and quartiles of a model's SROCC, and its paired difference to the first one."""
    quality = format_spread(results["summary"][model]["srocc"]) if model in results["summary"] else "failed"
    pair = behind.get(model)
    if pair is None:
        return quality, "-"
    if not is_defined(pair["mean"]):
        return quality, "undefined"
    tie = ", undecided" if pair["tie"] else ""
    return quality, f"{-pair['mean']:+.3f} [{-pair['high']:+.3f}, {-pair['low']:+.3f}]{tie}"


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
    """The factors with decided effects, the undecided ones, and the decided interactions."""
    analysis = results["analysis"]
    if analysis["why"]:
        return [f"Effects are not determined: {analysis['why']}."]
    if not analysis["main"]:
        return ["Nothing was swapped: every factor has one level."]
    real, ties = [], []
    factors = dict.fromkeys(row["factor"] for row in analysis["main"])
    for factor in sorted(factors, key=lambda factor: -analysis["shares"][factor]):
        rows = [row for row in analysis["main"] if row["factor"] == factor]
        decided = [row for row in rows if not row["tie"]]
        share = f"{analysis['shares'][factor]:.0%} of the variance"
        if decided:
            decided.sort(key=lambda row: -row["effect"])
            effects = ", ".join(f"{row['level']} {row['effect']:+.3f} {format_interval(row)}" for row in decided)
            even = [row["level"] for row in rows if row["tie"]]
            real.append(f"{WORDS[factor]} ({share}): {effects}{'; undecided: ' + ', '.join(even) if even else ''}")
        else:
            ties.append(f"{WORDS[factor]} ({', '.join(row['level'] for row in rows)}; {_reach(rows)}, {share})")
    sentences = [
        f"The part that matters is the {real[0]}."
        if len(real) == 1
        else f"Parts that matter, against the mean of their kind: {'. '.join(real)}."
        if real
        else "No part is better or worse than the mean of its kind by more than chance."
    ]
    if ties:
        sentences.append(f"Undecided, chance explains them: {'; '.join(ties)}.")
    distinct = _distinct(analysis["interactions"])
    crossed = [row for row in distinct if not row["tie"]]
    if crossed:
        shown = ", ".join(f"{' with '.join(row['levels'])} {row['effect']:+.3f}" for row in crossed[:5])
        sentences.append(f"Of {len(distinct)} interactions {len(crossed)} are decided: {shown}.")
    elif distinct:
        sentences.append(f"All {len(distinct)} interactions of two parts are undecided ({_reach(distinct)}).")
    return sentences


def _reach(rows: list[Results]) -> str:
    """Format how large undecided effects may be."""
    return f"intervals reach ±{max(max(-row['low'], row['high']) for row in rows):.3f}"


def make_figures(results: Results) -> dict[str, Figure]:
    """Main effects with their intervals, and the mean SROCC of every combination as a matrix."""
    from iqa_zoo.reports.plots import plot_forest, plot_matrix

    where = (
        f"{results['data']['name']}, {results['data']['images']} images, {len(results['splits'])} splits,\n"
        f"{results['backbone']}, decoders of {count(results['target'])} {UNITS[results['match']]}"
    )
    figures = {}
    groups: dict[str, dict[str, Estimate]] = {}
    for row in results["analysis"]["main"]:
        name = WORDS[row["factor"]]
        groups.setdefault(name, {})[f"{name}: {row['level']}"] = Estimate(row["effect"], row["low"], row["high"])
    if groups:
        label = "SROCC minus the mean of all combinations, 95 % interval"
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
