"""Tables, sentences and the plot of a test of claims, made from its results alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iqa_zoo.budgets.budget import format_moved
from iqa_zoo.reports.decoders import SIZE_CELLS, describe_place
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.shared import (
    COLUMNS,
    describe_intervals,
    format_data_name,
    format_difference,
    format_interval,
    format_number,
    format_spread,
    label_differences,
    read_difference,
)
from iqa_zoo.reports.table import Table, count, tabulate
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
MATCHES = {"params": "the same parameters", "macs": "the same MACs", "none": "sizes as they are"}
SHOWN = {"difference": "mean", "95 % interval": "95 % interval", "ahead in": "ahead in", "verdict": "verdict",
         "would decide": "would decide"}  # fmt: skip
ORDER = ("holds", "does not hold", "equivalent", "undecided", "undefined", "failed", "not testable")


def make_tables(results: Results) -> list[Table]:
    """The verdict on every claim, what each claim is and how to repeat it, and what was trained."""
    return [_make_verdicts(results), _make_claims(results), _make_trained(results)]


def make_sentences(results: Results) -> list[str]:
    """The claims by verdict, and what would decide the undecided ones."""
    pairs, found = _read_pairs(results), []
    for verdict in ORDER:
        for claim in (each for each in results["claims"] if each["verdict"] == verdict):
            found.append(describe_claim(claim, pairs.get((claim["first"], claim["second"]))))
    return found


def describe_claim(claim: Results, pair: Results | None) -> str:
    """Describe the verdict on a claim in a sentence.

    >>> claim = dict(id="a_over_b", sentence="A beats B.", verdict="does not hold", behind=dict(name="B"))
    >>> describe_claim(claim, dict(mean=-0.03, low=-0.05, high=-0.01, wins=1, splits=10, margin=0.01))
    'a_over_b: does not hold; B is ahead (-0.030 [-0.050, -0.010], ahead in 1 of 10 splits). The claim: A beats B.'
    >>> describe_claim({**claim, "verdict": "not testable", "why": "the box holds stage 4"}, None)
    'a_over_b: not testable on these data, as the box holds stage 4. The claim: A beats B.'
    """
    verdict, sentence = claim["verdict"], f"The claim: {claim['sentence']}"
    if verdict == "not testable":
        return f"{claim['id']}: not testable on these data, as {claim['why']}. {sentence}"
    if pair is None:
        return f"{claim['id']}: failed, as no split has both sides. {sentence}"
    if not is_defined(pair["mean"]):
        return f"{claim['id']}: undefined, as {pair['why']}. {sentence}"
    known = f"{pair['mean']:+.3f} {format_interval(pair)}, ahead in {pair['wins']} of {count_nouns(pair['splits'], 'split')}"
    needed = f"; {pair['needed']} would decide" if verdict == "undecided" and pair.get("needed") else ""
    return f"{claim['id']}: {_format_verdict(claim, pair)} ({known}){needed}. {sentence}"


def _format_verdict(claim: Results, pair: Results | None) -> str:
    verdict = str(claim["verdict"])
    if verdict == "does not hold":
        return f"does not hold; {claim['behind']['name']} is ahead"
    if verdict == "equivalent" and pair:
        return f"equivalent within {pair['margin']:g}"
    return verdict


def make_figures(results: Results) -> dict[str, Figure]:
    """The differences as intervals, a row per claim: to the right of 0 where the claim says it is."""
    from iqa_zoo.reports.plots import plot_forest

    pairs, rows = _read_pairs(results), {}
    for claim in results["claims"]:
        pair = pairs.get((claim["first"], claim["second"]))
        if pair is not None and is_defined(pair["mean"]):
            rows[claim["id"]] = read_difference(pair)
    if not rows:
        return {}
    where = f"{format_data_name(results['data'])}, {count_nouns(len(results['splits']), 'split')}, {describe_place(results)}"
    title = f"Claims about {results['about']}, the side that the paper says is ahead minus the other\n{where}"
    return {"claims": plot_forest({"claims": rows}, title=title, label=label_differences(results["differences"]))}


def _read_pairs(results: Results) -> dict[tuple[str, str], Results]:
    return {(pair["first"], pair["second"]): pair for pair in results["differences"]}


def _make_verdicts(results: Results) -> Table:
    pairs = _read_pairs(results)

    def find(claim: Results) -> Results | None:
        return pairs.get((claim["first"], claim["second"]))

    def make_cell(i: int) -> Callable[[Results], str]:
        def cell(claim: Results) -> str:
            pair = find(claim)
            return format_difference(pair)[i] if pair else "-"

        return cell

    cells: dict[str, Callable[[Results], str]] = {
        "claim": lambda claim: claim["id"],
        "paper: ahead": lambda claim: claim["ahead"]["name"],
        "paper: behind": lambda claim: claim["behind"]["name"],
        **{name: make_cell(COLUMNS.index(column)) for name, column in SHOWN.items()},
    }
    cells["verdict"] = lambda claim: _format_verdict(claim, find(claim))
    where = "A verdict is about these data, this backbone and this way of training, which are not the paper's."
    adjusted = f"Adjusted for the {results['of_claims']} claims of the card, so that a claim tested alone has the same interval."
    notes = [
        *list_protocol_notes(results),
        "Difference: SROCC of the side that the paper says is ahead minus that of the other, the same splits and seeds. holds: "
        "ahead; does not hold: the other side is ahead.",
        *describe_intervals(len(results["splits"]), results["differences"]),
        adjusted,
        where,
    ]
    title = (
        f"The claims about {results['about']}: {format_data_name(results['data'])}, decoders {describe_place(results)}"
    )
    left = ["claim", "paper: ahead", "paper: behind", "verdict", "would decide"]
    return tabulate(title, results["claims"], cells, notes, left)


def _make_claims(results: Results) -> Table:
    sizes = {row["model"]: row["budget"]["decoder"]["params"] for row in results["rows"]}

    def compare_sizes(claim: Results) -> str:
        if claim["first"] not in sizes:
            return MATCHES[claim["match"]] if claim["match"] != "none" else "-"
        return f"{MATCHES[claim['match']]}: {count(sizes[claim['first']])} and {count(sizes[claim['second']])}"

    cells: dict[str, Callable[[Results], str]] = {
        "claim": lambda claim: f"{claim['id']}: {claim['sentence']}",
        "source": lambda claim: claim["source"],
        "decoder params": compare_sizes,
        "note": lambda claim: claim["note"] or "-",
        "command": lambda claim: claim["command"],
    }
    notes = ["Matched sizes agree within 1 %. The decoder is everything but the backbone."]
    return tabulate(
        "What the paper says, and how to repeat each test", results["claims"], cells, notes, left=list(cells)
    )


def _make_trained(results: Results) -> Table:
    def read(row: Results, form: Callable[[Results], str]) -> str:
        summary = results["summary"].get(row["model"])
        return form(summary) if summary else "failed"

    def describe_change(row: Results) -> str:
        return "baseline" if row["model"] == results["baseline"] else format_moved(row["budget"]["moved"]) or "as it is"

    cells: dict[str, Callable[[Results], str]] = {
        "trained": lambda row: row["model"],
        "training data": lambda row: f"{row['share']:.0%}",
        **SIZE_CELLS,
        "moved": describe_change,
        "SROCC [quartiles]": lambda row: read(row, lambda summary: format_spread(summary["srocc"])),
        "seconds a split": lambda row: read(row, lambda summary: format_number(summary["seconds"], ".1f")),
    }
    notes = [
        f"Each decoder is trained once, however many claims it is part of. {results['baseline']} is for orientation."
    ]
    if any(row["share"] < 1 for row in results["rows"]):
        more = " A share then has more epochs to be selected from." if results["equal"] == "steps" else ""
        notes.append(
            f"Shares are of each split's training part, drawn by content, the same for every model, with equal {results['equal']}."
            f"{more} The validation and test parts stay. The correction of the interval is that of the whole training part."
        )
    return tabulate("What was trained", results["rows"], cells, notes, left=["trained", "moved"])
