"""The page of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.html.figures import embed_figure
from iqa_zoo.reports.html.gallery import HOVER_BYTES, make_gallery
from iqa_zoo.reports.html.page import Page
from iqa_zoo.reports.html.pictures import Pictures, load_explanations
from iqa_zoo.reports.html.predictions import collect_predictions, list_datasets
from iqa_zoo.reports.html.protocol import format_command, list_conditions, list_configs, list_label_warnings
from iqa_zoo.reports.reflow import lead_with_verdict
from iqa_zoo.reports.table import Table
from iqa_zoo.reports.warnings import undefined_notes
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Any]


def assemble_study_page(
    results: Results,
    tables: Sequence[Table],
    sentences: Sequence[str],
    figures: Mapping[str, Figure],
    pictures: Mapping[str, Pictures],
    folder: Path | None = None,
) -> Page:
    """Assemble the page of a study."""
    found = collect_predictions(results)
    explain, left_out = load_explanations(folder / "explain") if folder else ([], [])
    configs, note = list_configs(results)
    labels = [str(data.get("label", "MOS")) for data in list_datasets(results)]
    failed = [run for run in results.get("runs", []) if "error" in run]
    warnings = list_label_warnings(labels)
    if failed:
        named = ", ".join(dict.fromkeys(str(run["model"]) for run in failed))
        warnings.append(
            f"{count_nouns(len(failed), 'training')} failed and {'is' if len(failed) == 1 else 'are'} missing: {named}."
        )
    warnings += undefined_notes(results.get("runs", []))
    if results.get("runs") and not found:
        warnings.append("No images are shown: these results hold no predictions of single images.")
    return Page(
        format_title(results),
        sentences[0] if sentences else "No models were compared; only their cost was measured.",
        sentences[1:],
        [*warnings, *left_out],
        [lead_with_verdict(table) for table in tables],
        [embed_figure(name, figure) for name, figure in figures.items()],
        [make_gallery(each, pictures.get(each.data, Pictures({})), HOVER_BYTES // len(found)) for each in found],
        explain,
        list_conditions(results),
        configs,
        note,
        format_command(results),
    )


def format_title(results: Results) -> str:
    """Format the study and its dataset.

    >>> format_title({"study": "data_efficiency", "compared": ["a", "b"], "data": {"name": "livec"}})
    'Data efficiency: a, b on livec'
    """
    study = str(results.get("study", "study")).replace("_", " ").capitalize()
    what = [results["base"]] if "base" in results else results.get("compared", [])
    where = ", ".join(str(data["name"]) for data in list_datasets(results))
    return study + (f": {', '.join(what)}" if what else "") + (f" on {where}" if where else "")
