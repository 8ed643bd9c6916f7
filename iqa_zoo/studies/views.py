"""A study's result as files and text: tables as Markdown, a row per training as CSV, figures."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from iqa_zoo.outputs import write_text

if TYPE_CHECKING:
    from iqa_zoo.studies.results import StudyResult

WIDTH = 150  # of tables where stdout is no terminal


def format_markdown(result: StudyResult) -> str:
    """Return the tables and sentences as Markdown."""
    return "\n\n".join([*(table.markdown() for table in result.tables()), result.verdict()]) + "\n"


def format_csv(result: StudyResult) -> str:
    """Return a row per training that succeeded; an undefined metric is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, result.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(result.to_records())
    return text.getvalue()


def print_result(result: StudyResult) -> None:
    """Print the tables and sentences on stdout."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for table in result.tables():
        console.print(table.rich())
        console.print()
    for sentence in result.sentences():
        console.print(sentence, style="bold", highlight=False, markup=False)
    console.print(f"{result.values['seconds']:.0f} s in all.", highlight=False)


def write_views(result: StudyResult, folder: Path) -> None:
    """Write tables, rows and figures beside the results.

    Raises:
        InputError: a file cannot be written.
    """
    write_text(folder / "tables.md", format_markdown(result))
    if result.runs:
        write_text(folder / "runs.csv", format_csv(result))
    for name, figure in result.figures().items():
        from iqa_zoo.reports.plots import write_figure

        for kind in ("png", "svg"):
            write_figure(figure, folder / f"{name}.{kind}")
