"""Scores as lines of text and as rows, and the trained models as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from iqa_zoo.data.listing import escape_path

if TYPE_CHECKING:
    from iqa_zoo.inference.score import Score, ScoreMeaning
    from iqa_zoo.reports.table import Table
    from iqa_zoo.trained.entry import TrainedModel

COLUMNS = ("image", "score", "low", "high", "percentile", "word", "flags", "height", "width", "note")


def make_row(result: Score) -> dict[str, Any]:
    """Return the values of an image by ``COLUMNS``."""
    values = result.to_dict()
    values |= {"image": escape_path(result.path or ""), "note": result.error or result.note}
    return {column: values[column] for column in COLUMNS}


def format_csv_line(values: Iterable[Any]) -> str:
    """Format a line of CSV; the elements of a list are joined by semicolons."""
    line = io.StringIO()
    cells = ["; ".join(value) if isinstance(value, list) else value for value in values]
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def format_heading(meaning: ScoreMeaning) -> str:
    """Format the names of the columns of :func:`format_line`."""
    if meaning.coverage is None:
        return f"{'score':>10}  {'word':9}  image"
    interval = f"{100 * meaning.coverage:.0f} % interval"
    return f"{'score':>10}  {interval:>18}  {'percentile':>10}  {'word':9}  image"


def format_line(result: Score, meaning: ScoreMeaning) -> str:
    """Format an image with its score; flags and notes in brackets."""
    remarks = [flag for flag in result.flags if not result.note.startswith(flag)]
    remarks = [*([result.note] if result.note else []), *remarks]
    image = escape_path(result.path or "") + (f"  ({'; '.join(remarks)})" if remarks else "")
    if meaning.coverage is None:
        return f"{result.score:10.4f}  {result.word:9}  {image}"
    interval = f"{result.low:.1f} to {result.high:.1f}"
    return f"{result.score:10.4f}  {interval:>18}  {result.percentile:10.0f}  {result.word:9}  {image}"


def make_models_table(entries: Sequence[TrainedModel]) -> Table:
    """Return the table of the trained models with names."""
    from iqa_zoo.reports.table import Table

    rows = []
    for entry in entries:
        srocc, plcc = entry.measured.srocc, entry.measured.plcc
        rows.append(
            [
                entry.name,
                f"{entry.data.name} ({entry.data.label})",
                f"{srocc.mean:.3f} [{srocc.low:.3f}, {srocc.high:.3f}]",
                f"{plcc.mean:.3f} [{plcc.low:.3f}, {plcc.high:.3f}]",
                f"{entry.bytes / 1e6:.1f}",
                f"{entry.milliseconds:.0f}",
            ]
        )
    columns = ["model", "trained on", "SROCC", "PLCC", "MB", "ms an image"]
    note = "SROCC and PLCC: on held-out images, mean over repeated splits with its 95 % interval. --json has licences and settings."
    return Table("Trained models", columns, rows, [note], left=["model", "trained on"])
