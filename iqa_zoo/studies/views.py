"""A study's result as files and text: tables as Markdown and LaTeX, a row per training as CSV, figures."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from iqa_zoo.outputs import make_folder, write_text

if TYPE_CHECKING:
    from iqa_zoo.studies.results import StudyResult

WIDTH = 150  # of tables where stdout is no terminal
FORMATS = ("png", "svg", "pdf")


def format_markdown(result: StudyResult) -> str:
    """Return the tables and sentences as Markdown."""
    return "\n\n".join([*(table.markdown() for table in result.tables()), result.verdict()]) + "\n"


def format_latex(result: StudyResult) -> str:
    """Return the tables as LaTeX; the sentences are comments at the head."""
    from iqa_zoo.reports.latex import format_document
    from iqa_zoo.reports.notes import describe_protocol

    return format_document(result.tables(), result.study, describe_protocol(result.values), result.sentences())


def format_csv(result: StudyResult) -> str:
    """Return a row per training that succeeded; an undefined metric is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, result.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(result.to_records())
    return text.getvalue()


def print_result(result: StudyResult) -> None:
    """Print the tables and sentences on stdout."""
    from iqa_zoo.reports.reflow import split_columns

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if known else WIDTH)
    for table in result.tables():
        for block in split_columns(table, console.width):
            console.print(block.rich())
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
    write_figures(result, folder)


def write_figures(result: StudyResult, folder: Path) -> list[Path]:
    """Write every figure in each of :data:`FORMATS` into a folder; return the files.

    Raises:
        InputError: a file cannot be written.
    """
    figures, written = result.figures(), list[Path]()
    if figures:
        from iqa_zoo.reports.plots import write_figure

        make_folder(folder)
        for name, figure in figures.items():
            for kind in FORMATS:
                written.append(folder / f"{name}.{kind}")
                write_figure(figure, written[-1])
    return written
