"""Model cards: facts about models as YAML, read for tables; ``model_cards/`` holds them as Markdown."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from iqa_zoo.plugins import installed_parts

FOLDER = Path(__file__).parent
PLUGIN_CARD = "card.yaml"  # in the package that a plugin's model comes from
Card = dict[str, Any]


def read_cards(folder: Path = FOLDER) -> list[Card]:
    """Return every card of a folder, in the order of their files."""
    return [_read(path) for path in sorted(folder.glob("*.yaml"))]


def load_cards(folder: Path = FOLDER) -> dict[str, Card]:
    """Return the cards of a folder by the model they describe (a card may describe several, or a system without a model)."""
    return _by_model(read_cards(folder))


def load_plugin_cards() -> dict[str, Card]:
    """The cards that enabled plugins bring for their models, without importing a plugin."""
    return _by_model([_read(path) for path in find_plugin_card_files()])


def find_plugin_card_files() -> list[Path]:
    """Where those cards are: ``card.yaml`` in the package that the entry point of a model names."""
    packages = {part.target.partition(":")[0].partition(".")[0] for part in installed_parts() if part.group == "models"}
    found = []
    for package in sorted(packages):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (path := Path(folder) / PLUGIN_CARD).is_file():
                found.append(path)
    return found


def _read(path: Path) -> Card:
    card: Card = yaml.safe_load(path.read_text(encoding="utf-8"))
    return card


def _by_model(cards: list[Card]) -> dict[str, Card]:
    return {name: card for card in cards for name in card["models"]}


def list_published_only(dataset: str, folder: Path = FOLDER) -> dict[str, tuple[float, float] | None]:
    """Return the published (SROCC, PLCC) on a dataset, or None, of the systems that have a card and no model, by their title."""
    found = {}
    for card in read_cards(folder):
        if not card["models"]:
            rows = [row for row in card["published"] if row["dataset"] == dataset]
            found[card["title"]] = (rows[0]["srocc"], rows[0]["plcc"]) if rows else None
    return found


def find_published(cards: dict[str, Card], model: str, dataset: str) -> tuple[float, float] | None:
    """Return the published (SROCC, PLCC) of a model on a dataset, or None where there is none."""
    for row in cards.get(model, {}).get("published", []):
        if row["model"] == model and row["dataset"] == dataset:
            return row["srocc"], row["plcc"]
    return None
