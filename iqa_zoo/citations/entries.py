"""BibTeX entries by key, and which of them models, data sets, backbones and methods rest on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from iqa_zoo.cards import load_cards, load_plugin_cards
from iqa_zoo.errors import UnknownName, not_one_of

FOLDER = Path(__file__).parent
ENTRY = re.compile(r"^@\w+\{([^,\s]+),.*?^\}", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Sources:
    """The keys of entries by what rests on them.

    Args:
        datasets: by registered name.
        backbones: by the beginning of the name.
        methods: by what they are for.
        checked: keys whose entries were compared with public records.
    """

    datasets: Mapping[str, list[str]]
    backbones: Mapping[str, list[str]]
    methods: Mapping[str, list[str]]
    checked: list[str]


@cache
def load_sources() -> Sources:
    return Sources(**yaml.safe_load((FOLDER / "sources.yaml").read_text(encoding="utf-8")))


def split_entries(text: str) -> dict[str, str]:
    """Split BibTeX into entries by key; an entry ends with a brace at the start of a line.

    >>> split_entries("@misc{a,\\n  year = {2020}\\n}\\n\\n@misc{b,\\n  title = {T}\\n}\\n").keys()
    dict_keys(['a', 'b'])
    """
    return {found[1]: found[0] for found in ENTRY.finditer(text)}


@cache
def load_entries() -> dict[str, str]:
    """Return every entry by key: those of the package, and those in the cards of plugins."""
    entries = split_entries((FOLDER / "references.bib").read_text(encoding="utf-8"))
    for card in load_plugin_cards().values():
        entries = {**split_entries(card.get("bibtex", "")), **entries}
    return entries


def find_model_keys(model: str) -> list[str]:
    """Return the keys of a model, as its card names or brings them; an empty list without a card."""
    card: dict[str, Any] = {**load_plugin_cards(), **load_cards()}.get(model, {})
    return [*card.get("cite", []), *split_entries(card.get("bibtex", ""))]


def find_backbone_keys(backbone: str) -> list[str]:
    """Return the keys of a backbone, timm's among them where it is a timm model; an empty list for an unknown one.

    >>> find_backbone_keys("swin_base_patch4_window7_224"), find_backbone_keys("nss")
    (['liu2021swin', 'wightman2019timm'], ['mittal2012brisque'])
    """
    known = load_sources()
    beginnings = [beginning for beginning in known.backbones if backbone.startswith(beginning)]
    if not beginnings:
        return []
    timm = [] if backbone == "nss" else known.methods["timm"]
    return [*known.backbones[max(beginnings, key=len)], *timm]


def select_entries(keys: Iterable[str]) -> list[str]:
    """Return the entries of these keys, each once, in the order of the keys.

    Raises:
        UnknownName: a card names a key that no entry has.
    """
    entries = load_entries()
    for key in keys:
        if key not in entries:
            raise UnknownName(not_one_of(key, entries, "reference"))
    return [entries[key] for key in dict.fromkeys(keys)]
