"""The names of the trained models, and where their files are. Imports nothing."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "models"
DEFAULT = "mlp_lite0.livec"  # what iqa_zoo.score and iqa-zoo score use where no model is named


def list_trained(folder: Path | None = None) -> list[str]:
    """Return the names of the trained models in a folder; those that come with the package where it is left out."""
    return sorted(path.name.removesuffix(".json") for path in find_folder(folder).glob("*.json"))


def find_folder(folder: Path | None) -> Path:
    """Return a folder, or that of the package where it is left out."""
    return FOLDER if folder is None else folder
