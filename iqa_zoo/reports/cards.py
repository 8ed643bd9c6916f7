"""Model cards: human facts as YAML, read for tables and turned into Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Card = dict[str, Any]


def load_cards(folder: Path) -> dict[str, Card]:
    """Return the cards of a folder by the model they describe (a card may describe several)."""
    cards: dict[str, Card] = {}
    for path in sorted(folder.glob("*.yaml")):
        card: Card = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name in card["models"]:
            cards[name] = card
    return cards


def published(cards: dict[str, Card], model: str, dataset: str) -> tuple[float, float] | None:
    """Return the published (SROCC, PLCC) of a model on a dataset, or None where there is none."""
    for row in cards.get(model, {}).get("published", []):
        if row["model"] == model and row["dataset"] == dataset:
            return row["srocc"], row["plcc"]
    return None
