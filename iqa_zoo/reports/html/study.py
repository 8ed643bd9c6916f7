"""The page of a study: everything that its results, tables and figures say."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError
from iqa_zoo.reports.html.figures import drawings
from iqa_zoo.reports.html.find import check_names, find_images
from iqa_zoo.reports.html.gallery import HOVER_BYTES, gallery_of
from iqa_zoo.reports.html.kinds import kind_of
from iqa_zoo.reports.html.page import Page
from iqa_zoo.reports.html.pictures import Pictures, explanations
from iqa_zoo.reports.html.predictions import datasets_of, predictions_of
from iqa_zoo.reports.html.protocol import command_of, conditions_of, configs_of, label_warnings
from iqa_zoo.reports.html.tables import view_of
from iqa_zoo.reports.run import RESULTS, read_results, reading_results
from iqa_zoo.reports.shared import undefined_notes
from iqa_zoo.reports.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Any]


def study_page(
    results: Results,
    tables: Sequence[Table],
    sentences: Sequence[str],
    figures: Mapping[str, Figure],
    pictures: Mapping[str, Pictures],
    folder: Path | None = None,
) -> Page:
    """The page of a study.

    Args:
        results: what its script kept.
        tables, sentences, figures: what its script says of them.
        pictures: the images, by dataset.
        folder: the run folder, whose ``explain/`` is shown.
    """
    found = predictions_of(results)
    explain, left_out = explanations(folder / "explain") if folder else ([], [])
    configs, note = configs_of(results)
    labels = [str(data.get("label", "MOS")) for data in datasets_of(results)]
    failed = [run for run in results.get("runs", []) if "error" in run]
    warnings = label_warnings(labels)
    if failed:
        named = ", ".join(dict.fromkeys(str(run["model"]) for run in failed))
        warnings.append(f"{len(failed)} trainings failed and are missing here: {named}.")
    warnings += undefined_notes(results.get("runs", []))
    if results.get("runs") and not found:
        warnings.append("These results hold no predictions of single images, so no image is shown.")
    return Page(
        title_of(results),
        sentences[0] if sentences else "No models were compared: only what they cost was measured.",
        sentences[1:],
        [*warnings, *left_out],
        [view_of(table) for table in tables],
        drawings(figures),
        [gallery_of(each, pictures.get(each.data, Pictures({})), HOVER_BYTES // len(found)) for each in found],
        explain,
        conditions_of(results),
        configs,
        note,
        command_of(results),
    )


def title_of(results: Results) -> str:
    """What was studied, on what.

    >>> title_of({"command": ["data_efficiency.py"], "compared": ["a", "b"], "data": {"name": "livec"}})
    'Data efficiency: a, b on livec'
    """
    script = next(iter(results.get("command", [])), "study").removesuffix(".py").replace("_", " ").capitalize()
    what = [results["base"]] if "base" in results else results.get("compared", [])
    where = ", ".join(str(data["name"]) for data in datasets_of(results))
    return script + (f": {', '.join(what)}" if what else "") + (f" on {where}" if where else "")


def page_of_arguments(
    results: Results,
    tables: Sequence[Table],
    sentences: Sequence[str],
    figures: Mapping[str, Figure],
    arguments: argparse.Namespace,
    folder: Path | None,
    *,
    again: bool,
) -> Page:
    """The page of a study with the images of the dataset that the arguments name.

    Args:
        results, tables, sentences, figures, folder: as for :func:`study_page`.
        arguments: of the script or of ``iqa-zoo report``.
        again: the results were read from a run folder.
    """
    pictures = {
        data["name"]: check_names(find_images(arguments, data["name"], again=again), data.get("mos", {}), data["name"])
        for data in datasets_of(results)
    }
    return study_page(results, tables, sentences, figures, pictures, folder)


def page_of_run(folder: Path, arguments: argparse.Namespace) -> Page:
    """The page of a study's run folder; of one whose results cannot be read, the tables as they were kept.

    Raises:
        InputError: results that no script of this package made, or neither results nor tables.
    """
    file, kept = folder / RESULTS, folder / "tables.md"
    try:
        results = read_results(folder)
    except InputError as error:
        if not kept.is_file():
            raise InputError(f"{error}, and there is no {kept.name}") from error
        return Page(
            f"Study in {folder.name}",
            f"{file.name} is missing or damaged: only the tables that were kept as text can be shown.",
            warnings=[f"Missing part: {file.name}. Without it there are no figures, images, conditions and configs."],
            text=kept.read_text(encoding="utf-8", errors="backslashreplace"),
        )
    with reading_results(file, results):
        kind = kind_of(results)
        tables, sentences = kind.tables(results), kind.sentences(results)
        figures = kind.figures(results) if kind.figures else {}
        told = sentences.splitlines() if isinstance(sentences, str) else sentences
        return page_of_arguments(results, tables, told, figures, arguments, folder, again=True)
