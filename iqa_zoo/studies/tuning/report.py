"""The tables and sentences of a tuning, made from the results of a study alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from iqa_zoo.reports.shared import (
    describe_intervals,
    format_number,
    format_spread,
    format_verdict,
    tabulate_differences,
)
from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.reports.verdicts import describe_pair
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.tuning.design import AXES
from iqa_zoo.training.selection import CLOSE

Results = dict[str, Any]
TITLES = {"lr": "learning rate", "weight_decay": "weight decay", "dropout": "dropout", "epochs": "epochs"}


def make_tuning_tables(results: Results) -> list[Table]:
    """Return what each decoder chose, what tuning was worth, and the trials; no table where nothing was tuned."""
    if not results.get("tuning", {}).get("models"):
        return []
    return [_tabulate_choices(results), _tabulate_worth(results), _tabulate_trials(results["tuning"])]


def make_tuning_sentences(results: Results) -> list[str]:
    """Return what tuning was worth to each decoder, and for each pair whether it changed the verdict."""
    tuning = results.get("tuning")
    if not tuning:
        return []
    lines = [_describe_worth(pair, tuning["models"][pair["second"]]) for pair in tuning["worth"]]
    default = {(pair["first"], pair["second"]): pair for pair in tuning["default_differences"]}
    for pair in results.get("differences", []):
        if before := default.get((pair["first"], pair["second"])):
            lines.append(_compare_verdicts(before, pair))
    return lines


def _describe_worth(pair: Results, model: Results) -> str:
    if all(choice["trial"] == 1 for choice in model["chosen"]):
        return f"{pair['second']}: the default recipe was chosen on every split, so tuning changed nothing."
    return describe_pair(_name_default(pair))


def _compare_verdicts(default: Results, tuned: Results) -> str:
    names = f"{tuned['first']} and {tuned['second']}"
    before, after = format_verdict(default), format_verdict(tuned)
    if before == after:
        return f"{names}: tuning did not change the verdict, {after}."
    return f"{names}: tuning changed the verdict, from {before} with the default recipe to {after}."


def _name_default(pair: Results) -> Results:
    return {**pair, "second": f"{pair['second']} with the default recipe"}


def describe_tuning(tuning: Results) -> list[str]:
    """Return how the trials were drawn, trained and judged."""
    ranges = ", ".join(
        f"{TITLES[name]} {low:g} to {high:g}" + ("" if name == "dropout" else " times the default")
        for name, (low, high) in AXES.items()
    )
    parts, trials, survivors = tuning["parts"], tuning["trials"], tuning["survivors"]
    made = "held out from the training part, as the splits have no validation part" if tuning["own_validation"] else ""
    notes = [
        f"{trials} trials for every decoder, the same points of one Sobol sequence ({ranges}); trial 1 is the default recipe. Trained on "
        f"{parts['train']} images and judged by the SROCC of {parts['validation']} validation images inside the training part"
        f"{f' ({made})' if made else ''}; the test part is not read. The best trial is chosen; SROCCs within {CLOSE:g} "
        "count as equal, and the first of equals is taken."
    ]
    if trials > survivors:
        notes.append(
            f"After a third of their epochs (a schedule of that length) the worse trials stop: {survivors} of {trials} get all their epochs, "
            "the default recipe always."
        )
    if tuning["once"]:
        notes.append(
            "Tuned on the training part of the first split only (--tune-once): the choice has seen images that other splits test, so "
            "what tuning is worth can be overstated there."
        )
    if without := [model for model, row in tuning["models"].items() if not row["dropout_keys"]]:
        notes.append(
            f"No layer of the decoder takes a dropout, so a trial changes the other three only: {', '.join(without)}."
        )
    if tuning["fitted"]:
        notes.append(
            f"Not tuned, as fitted in closed form with generalised cross-validation: {', '.join(tuning['fitted'])}."
        )
    for model, row in tuning["models"].items():
        failed = sum(trial["error"] is not None for trial in row["trials"])
        if failed:
            notes.append(f"{model}: {failed} of {len(row['trials'])} trainings of trials failed and count as lost.")
        if lost := sum(choice["srocc"] is None for choice in row["chosen"]):
            notes.append(
                f"{model}: all trials were lost on {lost} of {len(row['chosen'])} splits, where the default recipe stays."
            )
    return notes


def _tabulate_choices(results: Results) -> Table:
    tuning = results["tuning"]

    def choose(key: str, spec: str) -> Callable[[Any], str]:
        return lambda item: _format_range([choice[key] for choice in item[1]["chosen"]], spec)

    def count_default(item: Any) -> str:
        chosen = item[1]["chosen"]
        return f"{sum(choice['trial'] == 1 for choice in chosen)} of {len(chosen)}"

    cells: dict[str, Callable[[Any], str]] = {
        "model": lambda item: item[0],
        "learning rate": choose("lr", ".2e"),
        "weight decay": choose("weight_decay", ".3g"),
        "dropout": lambda item: choose("dropout", ".2f")(item) if item[1]["dropout_keys"] else "-",
        "epochs": choose("epochs", ".0f"),
        "default chosen": count_default,
        "validation SROCC": choose("srocc", ".3f"),
    }
    notes = ["Median [least, greatest] over the splits.", *describe_tuning(tuning)]
    return tabulate("(d) Tuning: what each decoder chose", tuning["models"].items(), cells, notes)


def _format_range(values: Sequence[float | None], spec: str) -> str:
    """Format the median and the range of chosen values; a value that a config's layers do not share is ``own``.

    >>> _format_range([0.1, 0.3, 0.2], ".1f"), _format_range([2, 2], ".0f"), _format_range([0.1, None], ".1f")
    ('0.2 [0.1, 0.3]', '2', "0.1, the config's own on 1 of 2")
    """
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    middle = format(statistics.median(known), spec)
    spread = f" [{min(known):{spec}}, {max(known):{spec}}]" if min(known) < max(known) else ""
    own = f", the config's own on {len(values) - len(known)} of {len(values)}" if len(known) < len(values) else ""
    return middle + spread + own


def _tabulate_worth(results: Results) -> Table:
    tuning = results["tuning"]
    default, summary = tuning["default_summary"], results["summary"]
    pairs = [{**pair, "second": "default", "model": pair["second"]} for pair in tuning["worth"]]
    more = {
        "default": lambda pair: format_spread(default[pair["model"]]),
        "tuned": lambda pair: format_spread(summary[pair["model"]]["srocc"]),
    }
    notes = [
        "Both on the test parts of the same splits; median SROCC [quartiles].",
        *describe_intervals(len(results["splits"]), pairs),
    ]
    return tabulate_differences("What tuning was worth", pairs, notes, more)


def _tabulate_trials(tuning: Results) -> Table:
    """The design, and what the trials reached."""

    def reach(model: str) -> Callable[[Any], str]:
        return lambda point: _format_reached(tuning["models"][model], point["trial"])

    cells: dict[str, Callable[[Any], str]] = {
        "trial": lambda point: "1, default" if point["trial"] == 1 else str(point["trial"]),
        "learning rate": lambda point: f"{point['lr']:.2e}",
        "weight decay": lambda point: f"{point['weight_decay']:.3g}",
        "dropout": lambda point: "own" if point["dropout"] is None else f"{point['dropout']:.2f}",
        "epochs": lambda point: str(point["epochs"]),
        **{model: reach(model) for model in tuning["models"]},
    }
    notes = [
        "Median validation SROCC over the splits on which the trial got all its epochs (those on which it stopped are left out), and "
        "on how many it was chosen."
    ]
    return tabulate("The trials", tuning["design"], cells, notes, left=[])


def _format_reached(model: Results, number: int) -> str:
    full = [trial for trial in model["trials"] if trial["trial"] == number and trial["share"] == 1]
    splits = len({trial["split"] for trial in model["trials"]})
    if not full:
        return "stopped"
    known = [trial["srocc"] for trial in full if is_defined(trial["srocc"])]
    parts = [format_number(statistics.median(known)) if known else "lost"]
    if len(full) < splits:
        parts.append(f"on {len(full)} of {splits}")
    if count := sum(choice["trial"] == number for choice in model["chosen"]):
        parts.append(f"chosen on {count}")
    return ", ".join(parts)
