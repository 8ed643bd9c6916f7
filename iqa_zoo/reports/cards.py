"""Model cards: human facts as YAML, read for tables and turned into Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Card = dict[str, Any]


def read_cards(folder: Path) -> list[Card]:
    """Return every card of a folder, in the order of their files."""
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]


def load_cards(folder: Path) -> dict[str, Card]:
    """Return the cards of a folder by the model they describe (a card may describe several, or a system without a model)."""
    return {name: card for card in read_cards(folder) for name in card["models"]}


def published_only(folder: Path, dataset: str) -> dict[str, tuple[float, float]]:
    """Return the published (SROCC, PLCC) on a dataset of the systems that have a card and no model, by their title."""
    cards = [card for card in read_cards(folder) if not card["models"]]
    rows = [(card["title"], row) for card in cards for row in card["published"] if row["dataset"] == dataset]
    return {title: (row["srocc"], row["plcc"]) for title, row in rows}


def published(cards: dict[str, Card], model: str, dataset: str) -> tuple[float, float] | None:
    """Return the published (SROCC, PLCC) of a model on a dataset, or None where there is none."""
    for row in cards.get(model, {}).get("published", []):
        if row["model"] == model and row["dataset"] == dataset:
            return row["srocc"], row["plcc"]
    return None
