"""A study's run folder: everything as JSON, the tables as Markdown, a row a training as CSV, the plot as PNG and SVG."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from iqa_zoo.cache import write_file
from iqa_zoo.errors import IqaZooError
from iqa_zoo.reports.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]
RESULTS = "results.json"
COLUMNS = ("model", "config", "split", "seed", "epoch", "srocc", "plcc", "plcc_logistic4", "krocc", "rmse", "seconds")


@dataclass(frozen=True)
class Study:
    """A kind of study: what its results are called, and keys that only they hold (older ones do not say ``study``)."""

    title: str
    keys: frozenset[str]


# By the name of the script and of the results' key ``study``.
STUDIES = {
    "swap": Study("a swap of parts", frozenset({"rows", "refused", "analysis"})),
    "cross_dataset": Study("a comparison across datasets", frozenset({"datasets", "rows", "leaks"})),
    "scaling": Study("a study of backbone sizes", frozenset({"backbones", "rows", "front"})),
    "probe_layers": Study("a probe of layers", frozenset({"probed", "rows", "refused"})),
    "data_efficiency": Study("a study of data efficiency", frozenset({"shares", "rows"})),
    "tsne": Study("a t-SNE layout", frozenset({"levels", "by"})),
    "ablate": Study("an ablation", frozenset({"base", "rows", "sensitivity"})),
    "compare": Study("a comparison", frozenset({"compared", "matched"})),
}


@dataclass(frozen=True)
class Script:
    """How a benchmark script keeps and shows the results of its study, one of :data:`STUDIES`."""

    study: str
    tables: Callable[[Results], list[Table]]
    sentences: Callable[[Results], list[str]]
    figures: Callable[[Results], Mapping[str, Figure]] | None = None
    columns: Sequence[str] = COLUMNS

    def run(
        self,
        arguments: argparse.Namespace,
        study: Callable[[argparse.Namespace, Console], Results | None],
        folder: Callable[[], Path],
    ) -> int:
        """Print ``--from`` again, or do the study (None: it only said its cost), keep it and show it; the exit code."""
        console = Console(stderr=True)
        try:
            results = read_run(arguments.run, self.study) if arguments.run else study(arguments, console)
        except IqaZooError as error:
            console.print(f"error: {error}", style="red", markup=False, highlight=False)
            return 2
        if results is None:
            return 0
        if not arguments.run:
            results["study"] = self.study
        tables, sentences = self.tables(results), self.sentences(results)
        figures = self.figures(results) if self.figures and (arguments.html or not arguments.run) else {}
        kept = arguments.run or arguments.out or folder()
        if not arguments.run:
            write_run(results, kept, tables, sentences, console, figures, self.columns)
        show(results, tables, sentences, arguments, self.columns)
        if arguments.html:
            write_html(results, tables, sentences, figures, arguments, kept, console)
        return 0


def write_run(
    results: Results,
    folder: Path,
    tables: Sequence[Table],
    sentences: Iterable[str],
    console: Console,
    figures: Mapping[str, Figure] | None = None,
    columns: Sequence[str] = COLUMNS,
) -> None:
    """Keep a study. A folder that cannot be written is reported, and the tables are printed all the same."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / RESULTS, json.dumps(results, indent=1))
        write_file(folder / "tables.md", as_markdown(tables, sentences))
        if results.get("runs"):
            write_csv(results, folder / "runs.csv", columns)
        for name, figure in (figures or {}).items():
            for kind in ("png", "svg"):
                figure.savefig(folder / f"{name}.{kind}", metadata={"Date": None} if kind == "svg" else None)
    except OSError as error:
        console.print(f"{folder} cannot be written: {error}", style="red", markup=False, highlight=False)
    else:
        console.print(f"kept in {folder}; print it again with --from {folder}", highlight=False, soft_wrap=True)


def read_run(folder: Path, study: str) -> Results:
    """Read what :func:`write_run` kept.

    Raises:
        IqaZooError: not a folder of this study's results; says of which study, and what prints it.
    """
    file = folder / RESULTS
    try:
        results: Results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IqaZooError(f"{folder} is not a run of {study}.py: {file.name} cannot be read ({error})") from error
    found = find_study(results) if isinstance(results, dict) else None
    if found is None or not {*STUDIES[found].keys, "seconds"} <= results.keys():
        raise IqaZooError(f"{file} does not hold the results of {study}.py")
    if found != study:
        raise IqaZooError(
            f"{folder} holds {STUDIES[found].title} ({found}.py), not {STUDIES[study].title}; "
            f"print it with python benchmarks/{found}.py --from {folder}"
        )
    return results


def find_study(results: Mapping[str, Any]) -> str | None:
    """The study that results are of: the one that they name, or, for older ones, whose keys they hold or whose script ran."""
    if "study" in results:
        return next((name for name in STUDIES if name == results["study"]), None)
    holds = (name for name, study in STUDIES.items() if study.keys <= results.keys())
    command = [*results.get("command", []), ""]
    return next(holds, next((name for name in STUDIES if f"{name}.py" == command[0]), None))


def show(
    results: Results,
    tables: Sequence[Table],
    sentences: Sequence[str],
    arguments: argparse.Namespace,
    columns: Sequence[str] = COLUMNS,
) -> None:
    """Print the tables and what they say, and write the files that were asked for."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    for table in tables:
        console.print(table.rich())
        console.print()
    for sentence in sentences:
        console.print(sentence, style="bold", highlight=False, markup=False)
    console.print(f"{results['seconds']:.0f} s in all.", highlight=False)
    writers: dict[str, Callable[[Path], object]] = {
        "json": lambda path: path.write_text(json.dumps(results, indent=1), encoding="utf-8"),
        "markdown": lambda path: path.write_text(as_markdown(tables, sentences), encoding="utf-8"),
        "csv": lambda path: write_csv(results, path, columns) if results.get("runs") else None,
    }
    for flag, write in writers.items():
        if getattr(arguments, flag):
            write(getattr(arguments, flag))


def write_html(
    results: Results,
    tables: Sequence[Table],
    sentences: Sequence[str],
    figures: Mapping[str, Figure],
    arguments: argparse.Namespace,
    folder: Path,
    console: Console,
) -> None:
    """Write ``--html``: the study as one page (:mod:`iqa_zoo.reports.html`). A file that cannot be written is reported."""
    from iqa_zoo.reports.html.page import write_page
    from iqa_zoo.reports.html.study import page_of_arguments

    page = page_of_arguments(results, tables, sentences, figures, arguments, folder, again=bool(arguments.run))
    try:
        size = write_page(page, arguments.html)
    except IqaZooError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(f"page in {arguments.html}, {size / 1e6:.1f} MB", highlight=False, soft_wrap=True)


def as_markdown(tables: Sequence[Table], sentences: Iterable[str]) -> str:
    return "\n\n".join([*(table.markdown() for table in tables), "\n".join(sentences)]) + "\n"


def write_csv(results: Results, path: Path, columns: Sequence[str] = COLUMNS) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(run for run in results["runs"] if "error" not in run)
