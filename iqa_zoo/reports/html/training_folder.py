"""The folder of a training as ``iqa-zoo train`` left it, or what is there of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.errors import IqaZooError
from iqa_zoo.training.run_folder import RunFolder

PARTS = {
    "run": "what was trained on what",
    "split": "the images of each part",
    "history": "the epochs",
    "result": "test metrics and predictions",
}


@dataclass(frozen=True)
class Training:
    """What a folder holds; empty where a file is missing, and then ``missing`` says so."""

    folder: Path
    run: Mapping[str, Any]
    split: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    result: Mapping[str, Any]
    missing: Sequence[str]


def is_training(folder: Path) -> bool:
    """Whether any file of a training lies there."""
    return any((folder / f"{part}.json").is_file() for part in PARTS)


def read_training(folder: Path) -> Training:
    """Read what is there; a file that is missing or damaged is named and its place stays empty."""
    kept, found, missing = RunFolder(folder), dict[str, Any](), []
    for part, words in PARTS.items():
        empty: Any = [] if part == "history" else {}
        found[part] = empty
        try:
            content = kept.read(part)
        except IqaZooError as error:
            if (folder / f"{part}.json").exists():
                missing.append(f"Damaged part: {part}.json ({words}). {error}")
            else:
                missing.append(f"Missing part: {part}.json ({words}).")
            continue
        if isinstance(content, type(empty)):
            found[part] = content
        else:
            missing.append(f"Damaged part: {part}.json ({words}).")
    if not kept.weights.is_file():
        missing.append("Missing part: weights.safetensors, the weights of the selected epoch.")
    return Training(folder, missing=missing, **found)
