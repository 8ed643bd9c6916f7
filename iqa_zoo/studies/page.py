"""The page of a study: its result with the images of its datasets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from iqa_zoo.data.loading import DataSource
from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import reading_values
from iqa_zoo.reports.html.find import find_images
from iqa_zoo.reports.html.page import Page, write_page
from iqa_zoo.reports.html.predictions import list_datasets
from iqa_zoo.reports.html.study import assemble_study_page
from iqa_zoo.studies.results import RESULTS, StudyResult, load_result


def make_study_page(result: StudyResult, sources: Sequence[DataSource], folder: Path | None) -> Page:
    """Return the page of a study's result.

    ``sources`` are datasets whose images are shown; the ``explain/`` of ``folder`` is shown too.
    """
    with reading_values(result.values, folder):
        pictures = {data["name"]: find_images(data, sources) for data in list_datasets(result.values)}
        views = result.tables(), result.sentences(), result.figures()
        return assemble_study_page(result.values, *views, pictures, folder)


def write_html(result: StudyResult, path: Path, folder: Path, sources: Sequence[DataSource]) -> float:
    """Write the page of a study (:mod:`iqa_zoo.reports.html`); return its size in megabytes.

    ``sources`` are datasets whose images are shown; the ``explain/`` of ``folder``, the run folder, is shown too.

    Raises:
        InputError: the file cannot be written.
    """
    return write_page(make_study_page(result, sources, folder), path) / 1e6


def make_run_page(folder: Path, sources: Sequence[DataSource]) -> Page:
    """Return the page of a study's run folder; of one whose results cannot be read, the tables as they were kept.

    Raises:
        InputError: results that no known study made, or neither results nor tables.
    """
    file, kept = folder / RESULTS, folder / "tables.md"
    try:
        result = load_result(folder)
    except InputError as error:
        if not kept.is_file() or _is_readable(file):
            raise InputError(f"{error}" if kept.is_file() else f"{error}, and there is no {kept.name}") from error
        return Page(
            f"Study in {folder.name}",
            f"{file.name} is missing or damaged: only the tables that were kept as text can be shown.",
            warnings=[f"Missing part: {file.name}. Without it there are no figures, images, conditions and configs."],
            text=kept.read_text(encoding="utf-8", errors="backslashreplace"),
        )
    return make_study_page(result, sources, folder)


def _is_readable(file: Path) -> bool:
    """Return whether a file holds a JSON object: then its values are wrong, not the file."""
    try:
        return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError, RecursionError):
        return False
