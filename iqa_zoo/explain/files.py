"""Write what explains a model: figures, numbers as JSON, sentences as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError
from iqa_zoo.outputs import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")


def write_dataset_files(folder: Path, figures: Mapping[str, Figure], numbers: Mapping[str, Any], text: str) -> None:
    """Write the figures of a dataset, ``explain.json`` and ``explain.txt``; figures of an earlier call are removed.

    Raises:
        InputError: the folder cannot be written.
    """
    from iqa_zoo.explain.dataset_figures import NAMES
    from iqa_zoo.reports.plots import write_figure

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in [folder / f"{name}{suffix}" for name in NAMES for suffix in SUFFIXES]:
            if file.stem in figures:
                write_figure(figures[file.stem], file)
            else:
                file.unlink(missing_ok=True)
        write_json(folder / "explain.json", numbers)
        write_text(folder / "explain.txt", text)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
