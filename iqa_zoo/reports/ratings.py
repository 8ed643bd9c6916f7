"""Tables of how the compared models agree with the ratings behind the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iqa_zoo.reports.shared import format_number, format_p
from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.stats.summary import is_defined

Values = Mapping[str, Any]
LEVEL = 0.05
AREAS = {"ordered": "in order", "auc_different": "different/similar", "auc_better": "better/worse"}
WITHIN = {"ordered_within_groups": "in order within a group"}
ERRORS = {"outlier_ratio": "outlier ratio", "rmse_star": "RMSE*"}


def make_rater_tables(raters: Values | None) -> list[Table]:
    """Return the tables of :func:`iqa_zoo.inference.raters.summarize_raters`; none for results without these numbers."""
    if not raters or not raters["models"]:
        return []
    tables = [_tabulate_pairs(raters)] if _select_defined(raters, AREAS | WITHIN) else []
    tables.append(_tabulate_errors(raters))
    tables[0].notes = [*tables[0].notes, *_explain_no_order(raters), *_list_notes(raters)]
    return [*tables, *_tabulate_spreads(raters)]


def _explain_no_order(raters: Values) -> list[str]:
    """Return why no model has a share of ordered pairs; an empty list where one has."""
    if raters["unknown"] or _select_defined(raters, AREAS):
        return []
    if raters["ratings"]["distinguished"]["mean"] > 0:
        return ["The order of pairs is undefined: each model gives one score to all images."]
    return [
        f"People distinguish none of {raters['ratings']['pairs']['mean']:,.0f} pairs of test images a split (Welch's t test of two MOS "
        "at 95 %), so no order of pairs is compared."
    ]


def _tabulate_pairs(raters: Values) -> Table:
    columns = _select_defined(raters, AREAS | WITHIN)
    notes = []
    if _select_defined(raters, AREAS):
        ratings = raters["ratings"]
        images, pairs = (ratings[key]["mean"] for key in ("images", "pairs"))
        drawn = (
            f", drawn from all {images * (images - 1) / 2:,.0f} with seed 0," if pairs < (images - 1) ** 2 / 2 else ""
        )
        notes = [
            f"People distinguish {_format_share(ratings['distinguished'])} of {pairs:,.0f} pairs of test images a split{drawn} "
            "(Welch's t test of two MOS at 95 %). In order: of these, the share that a model orders as people do.",
            "Areas under the ROC curve (Krasula et al. 2016), 0.5 is chance: different/similar, of the difference of two scores for "
            "pairs that people distinguish against those that they do not; better/worse, for the better image first against the worse.",
        ]
    if WITHIN.keys() & columns.keys():
        notes.append(
            "Within a group: share of the pairs of images of one content (or prompt) that a model orders as the labels do."
        )
    return _tabulate("What the raters knew: pairs of images", raters, columns, notes)


def _tabulate_errors(raters: Values) -> Table:
    scale = (
        "Scores are mapped to the scale of the labels by a fitted 4-parameter logistic first."
        if raters["fit"]
        else "The models predict on the scale of the labels; nothing is mapped."
    )
    notes = [f"Lower is better. {scale}"]
    columns = _select_defined(raters, ERRORS)
    if columns:
        notes.append(
            "Outlier ratio: share of scores outside the 95 % interval of their MOS; RMSE*: of each error, what exceeds half that "
            "interval (both ITU-T P.1401)."
        )
    has_ceiling = not raters["unknown"] and is_defined(raters["ratings"]["ceiling_srocc"]["mean"])
    if has_ceiling:
        srocc, plcc = (format_number(raters["ratings"][f"ceiling_{name}"]["mean"]) for name in ("srocc", "plcc"))
        notes += [
            f"The noise of the ratings sets a ceiling: a model that knows the true quality reaches SROCC {srocc} and PLCC {plcc} on average.",
            "As good as the mean of: how many raters have a mean that correlates (PLCC) with the MOS as the model does"
            + ("; median and quartiles over the splits." if raters["splits"] > 1 else "."),
        ]
    elif not raters["unknown"]:
        notes.append(
            "The MOS vary no more than the noise of the ratings explains, so no model can be expected to correlate with them."
        )
    table = _tabulate("What the raters knew: errors", raters, {**columns, "mae": "MAE"}, notes)
    if has_ceiling:
        table.columns = [*table.columns, "as good as the mean of"]
        for row, values in zip(table.rows, raters["models"].values(), strict=True):
            row.append(_format_raters(values["equal_raters"], _count_splits(raters, values)))
    return table


def _tabulate_spreads(raters: Values) -> list[Table]:
    rows = raters["spreads"]
    if not rows:
        return []
    images = sorted({row["images"] for row in rows})
    cells: dict[str, Callable[[Any], str]] = {
        "errors of": lambda row: f"{row['first']} - {row['second']}",
        "deviations": lambda row: f"{row['variance_a'] ** 0.5:.4g}, {row['variance_b'] ** 0.5:.4g}",
        "t": lambda row: format(row["t"], ".2f") if is_defined(row["t"]) else "-",
        "p (Holm)": lambda row: format_p(row["p_holm"]),
        "verdict": _judge_spread,
    }
    if images[1:]:
        cells["images"] = lambda row: str(row["images"])
    number = f"{images[0]} images" if len(images) == 1 else "the images that both were tested on"
    notes = [
        f"Pitman-Morgan's test of equal variances of paired errors, on {number}, each with the scores of the first split "
        "that tests it. It takes images as independent, and a constant offset of the scores does not count."
    ]
    return [tabulate("Spread of the errors", rows, cells, notes, left=["errors of", "verdict"])]


def _judge_spread(row: Values) -> str:
    if not row["p_holm"] < LEVEL:
        return "undecided"
    return f"{row['first'] if row['variance_a'] < row['variance_b'] else row['second']} smaller"


def _tabulate(title: str, raters: Values, columns: Mapping[str, str], notes: list[str]) -> Table:
    def make_cell(key: str) -> Callable[[Any], str]:
        in_units = key in ("rmse_star", "mae")
        means = [values[key]["mean"] for values in raters["models"].values()]
        largest = max(filter(is_defined, means), default=0.0)
        form = ".2f" if in_units and largest >= 1 else ".3f"
        return lambda row: _format_mean(row[1][key], form, _count_splits(raters, row[1]))

    cells: dict[str, Callable[[Any], str]] = {"model": lambda row: row[0]}
    if len(_list_counts(raters)) > 1:
        cells["splits"] = lambda row: str(_count_splits(raters, row[1]))
    cells |= {heading: make_cell(key) for key, heading in columns.items()}
    return tabulate(title, raters["models"].items(), cells, notes)


def _list_notes(raters: Values) -> list[str]:
    counts = _list_counts(raters)
    over = f"{counts[0]} splits" if len(counts) == 1 else "the splits on which a model was trained (column splits)"
    notes = [
        f"Means over {over} with 95 % intervals: Student's t, the variance corrected for splits that share images."
        if counts[-1] > 1
        else "Of one test part, so that there are no intervals over splits."
    ]
    if raters["unknown"]:
        return [*notes, f"{raters['unknown']}: what depends on the noise of the ratings is not computed."]
    ratings = raters["counts"]
    low, high = ratings["lowest"], ratings["highest"]
    number = f"{low}" if low == high else f"{low} to {high}"
    source = f" ({ratings['note']})" if ratings["note"] else ""
    return [*notes, f"Ratings of an image: {number}{source}."]


def _select_defined(raters: Values, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that a model has a number in."""
    models = raters["models"].values()
    return {
        key: heading for key, heading in columns.items() if any(is_defined(values[key]["mean"]) for values in models)
    }


def _count_splits(raters: Values, values: Values) -> int:
    """Return the number of splits that a model was tested on; results of earlier versions have one number for all."""
    return int(values.get("splits", raters["splits"]))


def _list_counts(raters: Values) -> list[int]:
    return sorted({_count_splits(raters, values) for values in raters["models"].values()})


def _format_mean(values: Values, spec: str, splits: int) -> str:
    if not is_defined(values["mean"]):
        return "undefined"
    left_out = splits - values.get("count", splits)
    undefined = f", {left_out} undefined" if left_out else ""
    if not is_defined(values["low"]):
        return f"{values['mean']:{spec}}{undefined}"
    return f"{values['mean']:{spec}} [{values['low']:{spec}}, {values['high']:{spec}}]{undefined}"


def _format_share(values: Values) -> str:
    if not is_defined(values["low"]):
        return f"{values['mean']:.1%}"
    return f"{values['mean']:.1%} [{values['low']:.1%}, {values['high']:.1%}]"


def _format_raters(values: Values, splits: int) -> str:
    """Format a number of raters, which is infinite (null in JSON) where the model is at the ceiling."""

    def form(value: float | None) -> str:
        return format(value, ".1f") if value is not None and is_defined(value) else "at the ceiling"

    if not is_defined(values["median"]) and not values["at_ceiling"]:
        return "undefined"
    quartiles = f" [{form(values['q1'])}, {form(values['q3'])}]" if splits > 1 else ""
    undefined = f", {values['undefined']} undefined" if values.get("undefined") else ""
    return f"{form(values['median'])}{' raters' if is_defined(values['median']) else ''}{quartiles}{undefined}"
