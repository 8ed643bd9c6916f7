"""The arguments of a training, as its folder keeps them: ``iqa-zoo train --resume RUN`` needs no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.data.loading import DataSource
from iqa_zoo.errors import CheckpointError
from iqa_zoo.training.run_folder import RunFolder


@dataclass(frozen=True)
class BegunRun:
    """A training that was begun. Its model, recipe and split are in its folder, which names them for every command.

    Attributes:
        source: the dataset; its folder is absolute.
        recipe_name: as it was named.
        seed, selection, peek: of the training.
        weights: the file that it started from; None where there was none.
        pretrained: whether it started from the backbone's ImageNet weights.
        save_steps: steps between two checkpoints besides those of the epochs.
        trackers: where scalars were written.
    """

    source: DataSource
    recipe_name: str | None
    seed: int
    selection: str
    peek: bool
    weights: Path | None
    pretrained: bool
    save_steps: int | None
    trackers: tuple[str, ...]


def note_arguments(
    source: DataSource,
    *,
    weights: Path | None,
    pretrained: bool,
    save_steps: int | None,
    trackers: tuple[str, ...],
) -> dict[str, Any]:
    """Return what a run's folder keeps for :func:`read_begun_run`, with absolute paths."""
    return {
        "data": source.name,
        "root": None if source.root is None else str(source.root.absolute()),
        "options": [list(option) for option in source.options],
        "skip_unreadable": source.skip_unreadable,
        "weights": None if weights is None else str(weights.absolute()),
        "pretrained": pretrained,
        "save_steps": save_steps,
        "trackers": list(trackers),
    }


def read_begun_run(folder: Path) -> BegunRun:
    """Read how a training was begun.

    Raises:
        CheckpointError: not the folder of a training, or one of a version that did not keep its arguments.
    """
    run = RunFolder(folder).read("run")
    given = run.get("arguments")
    if not isinstance(given, Mapping):
        raise CheckpointError(
            f"{folder} does not say how it was begun (an older iqa_zoo, or a call from Python); give the arguments again, "
            f"with --out {folder} --resume"
        )
    try:
        return BegunRun(
            DataSource(
                given["data"],
                _read_path(given["root"]),
                tuple((key, value) for key, value in given["options"]),
                given["skip_unreadable"],
            ),
            run["recipe_name"],
            run["seed"],
            run["selection"],
            run["peek"],
            _read_path(given["weights"]),
            given["pretrained"],
            given["save_steps"],
            tuple(given["trackers"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / 'run.json'}: the arguments are damaged ({type(error).__name__}: {error})"
        ) from error


def _read_path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
