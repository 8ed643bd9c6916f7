"""Write what explains a model: figures, numbers as JSON, sentences as text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as its suffix says; the same figure gives the same bytes.

    Raises:
        InputError: the file cannot be written.
    """
    from matplotlib import rc_context

    from iqa_zoo.reports.plots import STYLE

    drawn = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    with rc_context(STYLE):
        figure.savefig(drawn, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_bytes(path, drawn.getvalue())


def write_dataset_files(folder: Path, figures: Mapping[str, Figure], numbers: Mapping[str, Any], text: str) -> None:
    """Write the figures of a dataset, ``explain.json`` and ``explain.txt``; figures of an earlier call are removed.

    Raises:
        InputError: the folder cannot be written.
    """
    from iqa_zoo.explain.dataset_figures import NAMES

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in [folder / f"{name}{suffix}" for name in NAMES for suffix in SUFFIXES]:
            if file.stem in figures:
                save_figure(figures[file.stem], file)
            else:
                file.unlink(missing_ok=True)
        write_text(folder / "explain.json", to_json(numbers, indent=1) + "\n")
        write_text(folder / "explain.txt", text)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
