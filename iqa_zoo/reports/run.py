"""A study's run folder: everything as JSON, the tables as Markdown, a row a training as CSV, the plot as PNG and SVG."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from iqa_zoo import __version__
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.jsonio import without_nan
from iqa_zoo.outputs import check_folder_writable, check_writable, make_folder, write_json, write_text
from iqa_zoo.program import run_program
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
        """Print ``--from`` again, or do the study (None: it only said its cost), keep it and show it; the exit code.

        Every output is tried before the work. One that cannot be written after it all the same is reported, and the others
        are written.
        """
        console = Console(stderr=True, soft_wrap=True)

        def report_error(message: str) -> None:
            console.print(f"error: {message}", style="red", markup=False, highlight=False)

        return run_program(lambda: self._run(arguments, study, folder, console), report_error)

    def _run(
        self,
        arguments: argparse.Namespace,
        study: Callable[[argparse.Namespace, Console], Results | None],
        folder: Callable[[], Path],
        console: Console,
    ) -> int:
        kept: Path = arguments.run or arguments.out or folder()
        check_outputs(arguments, kept)
        if arguments.run:
            results = read_run(kept, self.study)
            with reading_results(kept / RESULTS, results):
                return 2 if self._show(results, arguments, kept, console) else 0
        studied = study(arguments, console)
        if studied is None:
            return 0
        results = without_nan({**studied, "study": self.study})
        failed = not _is_written(lambda: write_results(results, kept), console)  # before anything is made of them
        failed |= self._show(results, arguments, kept, console, keep=not failed)
        if failed and results.get("runs"):
            console.print(
                "finished trainings are kept: the same command (without --fresh) writes the results without training again"
            )
        return 2 if failed else 0

    def _show(
        self, results: Results, arguments: argparse.Namespace, folder: Path, console: Console, keep: bool = False
    ) -> bool:
        """Print the results and write every file that was asked for; whether one of them could not be written."""
        tables, sentences = self.tables(results), self.sentences(results)
        figures = self.figures(results) if self.figures and (arguments.html or not arguments.run) else {}
        print_results(results, tables, sentences)
        writers: list[Callable[[], object]] = []
        if keep:
            writers.append(lambda: write_views(results, folder, tables, sentences, console, figures, self.columns))
        if arguments.json:
            writers.append(lambda: write_json(arguments.json, results))
        if arguments.markdown:
            writers.append(lambda: write_text(arguments.markdown, as_markdown(tables, sentences)))
        if arguments.csv and results.get("runs"):
            writers.append(lambda: write_csv(results, arguments.csv, self.columns))
        if arguments.html:
            writers.append(lambda: write_html(results, tables, sentences, figures, arguments, folder, console))
        written = [_is_written(write, console) for write in writers]  # all are tried
        return not all(written)


def check_outputs(arguments: argparse.Namespace, folder: Path) -> None:
    """Try every output of a study, before the work.

    Args:
        arguments: with ``run`` (None: results are kept in the folder), ``json``, ``csv``, ``markdown`` and ``html``.
        folder: the run folder.

    Raises:
        InputError: one cannot be written; names it.
    """
    if not arguments.run:
        check_folder_writable(folder)
        if folder.is_dir():
            check_writable(folder / RESULTS)
    for path in (arguments.json, arguments.csv, arguments.markdown, arguments.html):
        if path is not None:
            check_writable(path)


def _is_written(write: Callable[[], object], console: Console) -> bool:
    """Whether a write succeeded; one that failed is reported."""
    try:
        write()
    except InputError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False)
        return False
    return True


def write_results(results: Results, folder: Path) -> None:
    """Write ``results.json`` in a run folder.

    Raises:
        InputError: it cannot be written. A folder that was made for it is removed.
    """
    made = make_folder(folder)
    try:
        write_json(folder / RESULTS, results)
    except InputError:
        if made:
            folder.rmdir()
        raise


def write_views(
    results: Results,
    folder: Path,
    tables: Sequence[Table],
    sentences: Iterable[str],
    console: Console,
    figures: Mapping[str, Figure] | None = None,
    columns: Sequence[str] = COLUMNS,
) -> None:
    """Write what is made of the results beside them: tables, a row a training, figures.

    Raises:
        InputError: a file cannot be written.
    """
    write_text(folder / "tables.md", as_markdown(tables, sentences))
    if results.get("runs"):
        write_csv(results, folder / "runs.csv", columns)
    for name, figure in (figures or {}).items():
        from iqa_zoo.reports.plots import write_figure

        for kind in ("png", "svg"):
            write_figure(figure, folder / f"{name}.{kind}")
    console.print(f"kept in {folder}; print it again with --from {folder}", markup=False, highlight=False)


def read_run(folder: Path, study: str) -> Results:
    """Read what :func:`write_results` kept.

    Raises:
        InputError: not a folder of this study's results; says of which study, and what prints it.
    """
    results = read_results(folder, of=f"{study}.py")
    found = find_study(results)
    if found is None or not {*STUDIES[found].keys, "seconds"} <= results.keys():
        raise InputError(f"{folder / RESULTS} does not hold the results of {study}.py")
    if found != study:
        raise InputError(
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


def read_results(folder: Path, *, of: str = "a study") -> Results:
    """Read the results of a study, which an error names. Numbers that are not finite are None, as in what is written today.

    Raises:
        InputError: there are none, or the file is damaged.
    """
    file = folder / RESULTS
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} is not a run of {of}: it holds no {RESULTS}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read ({error}); it is damaged") from error
    if not isinstance(results, dict):
        raise InputError(f"{file} is damaged: it holds no results, but a {type(results).__name__}")
    checked: Results = without_nan(results)
    return checked


@contextmanager
def reading_results(path: Path, results: Mapping[str, Any]) -> Iterator[None]:
    """Around what is made of results that were read from disk: wrong values in them are one line.

    Args:
        path: of the file or folder they were read from.
        results: with the ``versions`` that wrote them, if these are known.

    Raises:
        InputError: a value is missing or of the wrong kind; names the version that wrote the file and this one.
    """
    try:
        yield
    except IqaZooError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        versions = results.get("versions")
        writer = versions.get("iqa_zoo", "?") if isinstance(versions, Mapping) else "?"
        raise InputError(
            f"{path} is damaged or of another version (written by iqa_zoo {writer}, this is {__version__}): "
            f"{type(error).__name__}: {error}"
        ) from error


def print_results(results: Results, tables: Sequence[Table], sentences: Sequence[str]) -> None:
    """Print the tables and what they say."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    for table in tables:
        console.print(table.rich())
        console.print()
    for sentence in sentences:
        console.print(sentence, style="bold", highlight=False, markup=False)
    console.print(f"{results['seconds']:.0f} s in all.", highlight=False)


def write_html(
    results: Results,
    tables: Sequence[Table],
    sentences: Sequence[str],
    figures: Mapping[str, Figure],
    arguments: argparse.Namespace,
    folder: Path,
    console: Console,
) -> None:
    """Write ``--html``: the study as one page (:mod:`iqa_zoo.reports.html`).

    Raises:
        InputError: the file cannot be written.
    """
    from iqa_zoo.reports.html.page import write_page
    from iqa_zoo.reports.html.study import page_of_arguments

    page = page_of_arguments(results, tables, sentences, figures, arguments, folder, again=bool(arguments.run))
    size = write_page(page, arguments.html)
    console.print(f"page in {arguments.html}, {size / 1e6:.1f} MB", markup=False, highlight=False)


def as_markdown(tables: Sequence[Table], sentences: Iterable[str]) -> str:
    return "\n\n".join([*(table.markdown() for table in tables), "\n".join(sentences)]) + "\n"


def write_csv(results: Results, path: Path, columns: Sequence[str] = COLUMNS) -> None:
    """Write a row a training that did not fail; an undefined metric is an empty cell.

    Raises:
        InputError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(run for run in results["runs"] if "error" not in run)
    write_text(path, text.getvalue())
