"""Read the folder of a training, complete or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.errors import IqaZooError
from iqa_zoo.training.run_folder import RunFolder

PARTS = {
    "run": "model, dataset and recipe",
    "split": "the images of each part",
    "history": "the epochs",
    "result": "test metrics and predictions",
}


@dataclass(frozen=True)
class Training:
    """The contents of a folder; ``missing`` lists missing and damaged files, whose fields are empty."""

    folder: Path
    run: Mapping[str, Any]
    split: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    result: Mapping[str, Any]
    missing: Sequence[str]


def is_training(folder: Path) -> bool:
    """Whether the folder holds any file of a training."""
    return any((folder / f"{part}.json").is_file() for part in PARTS)


def read_training(folder: Path) -> Training:
    """Read the files that exist; missing and damaged files are listed and left empty."""
    kept, found, missing = RunFolder(folder), dict[str, Any](), []
    for part, text in PARTS.items():
        empty: Any = [] if part == "history" else {}
        found[part] = empty
        try:
            content = kept.read(part)
        except IqaZooError as error:
            if (folder / f"{part}.json").exists():
                missing.append(f"Damaged part: {part}.json ({text}). {error}")
            else:
                missing.append(f"Missing part: {part}.json ({text}).")
            continue
        if isinstance(content, type(empty)):
            found[part] = content
        else:
            missing.append(f"Damaged part: {part}.json ({text}).")
    if not kept.weights.is_file():
        missing.append("Missing part: weights.safetensors, the weights of the selected epoch.")
    return Training(folder, missing=missing, **found)
