"""The page of a study: everything that its results, tables and figures say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.html.figures import drawings
from iqa_zoo.reports.html.gallery import HOVER_BYTES, gallery_of
from iqa_zoo.reports.html.page import Page
from iqa_zoo.reports.html.pictures import Pictures, explanations
from iqa_zoo.reports.html.predictions import datasets_of, predictions_of
from iqa_zoo.reports.html.protocol import command_of, conditions_of, configs_of, label_warnings
from iqa_zoo.reports.html.tables import view_of
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
        results: what was kept.
        tables, sentences, figures: what is made of them.
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
    """Return what was studied, on what.

    >>> title_of({"study": "data_efficiency", "compared": ["a", "b"], "data": {"name": "livec"}})
    'Data efficiency: a, b on livec'
    """
    study = str(results.get("study", "study")).replace("_", " ").capitalize()
    what = [results["base"]] if "base" in results else results.get("compared", [])
    where = ", ".join(str(data["name"]) for data in datasets_of(results))
    return study + (f": {', '.join(what)}" if what else "") + (f" on {where}" if where else "")
