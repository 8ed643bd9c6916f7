"""How numbers came about: the conditions, the configs and the command, as a page shows them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from iqa_zoo.reports.html.predictions import HUMAN_LABELS, datasets_of
from iqa_zoo.training.selection import RULES

MOST_CONFIGS = 60


@dataclass(frozen=True)
class ConfigText:
    """A model's config as YAML."""

    name: str
    hash: str
    text: str


def conditions_of(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the numbers of a study depend on, in the order a reader asks."""
    told: list[tuple[str, str]] = []

    def tell(what: str, key: str, words: Any = str) -> None:
        if results.get(key) not in (None, "", [], {}):
            told.append((what, words(results[key])))

    for data in datasets_of(results):
        told.append(("Dataset", data_in_words(data)))
        if data.get("splits"):
            told.append((f"Splits of {data['name']}", splits_in_words(data["splits"], data.get("parts", {}))))
    tell("Protocol", "protocol")
    tell("Backbone", "backbone")
    tell("Weights", "weights")
    tell("Matched by", "match", lambda by: f"{by} to {results['target']}" if results.get("target") else str(by))
    tell("Splits", "splits", lambda splits: splits_in_words(splits, results.get("parts", {})))
    told += seeds(results.get("runs", []))
    tell("Selection rule", "selection", rule_in_words)
    tell("Crops an image", "crops")
    tell("Recipe", "recipe_name")
    tell("Recipe values", "recipe", values_in_words)
    tell("Rate of the baseline", "baseline_lr", lambda rate: f"{rate:g}")
    told += versions_of(results)
    tell("Threads", "threads")
    tell("Time in all", "seconds", lambda seconds: f"{seconds:.0f} s")
    return told


def data_in_words(data: Mapping[str, Any]) -> str:
    """A dataset in a line.

    >>> data_in_words(dict(name="two", images=2, contents=1, label="DMOS", higher_is_better=False))
    'two: 2 images of 1 contents; labels: DMOS, lower is better'
    """
    contents = f" of {data['contents']} contents" if data.get("contents") not in (None, data["images"]) else ""
    if pairs := len(data.get("look_alikes", ())):
        contents += f" ({pairs} {'pair' if pairs == 1 else 'pairs'} of images that look the same kept in one part)"
    way = "higher" if data.get("higher_is_better", True) else "lower"
    return f"{data['name']}: {data['images']} images{contents}; labels: {data['label']}, {way} is better"


def splits_in_words(splits: Sequence[str], parts: Mapping[str, int]) -> str:
    sizes = ", ".join(f"{count} {part}" for part, count in parts.items())
    return f"{len(splits)}{f' of {sizes}' if sizes else ''}: {', '.join(splits)}"


def seeds(runs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    found = sorted({run["seed"] for run in runs if "seed" in run})
    return [("Seeds", ", ".join(map(str, found)))] if found else []


def rule_in_words(rule: str) -> str:
    return f"{rule}: {RULES[rule]}" if rule in RULES else rule


def values_in_words(values: Mapping[str, Any]) -> str:
    """Numbers and names of a recipe; text about it is left out.

    >>> values_in_words(dict(epochs=3, lr=0.0001, summary="For all", freeze=[]))
    'epochs 3, lr 0.0001'
    """
    told = {key: value for key, value in values.items() if key not in ("summary", "notes") and value not in (None, [])}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in told.items()
    )


def versions_of(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = []
    if results.get("versions"):
        told.append(("Versions", ", ".join(f"{name} {version}" for name, version in results["versions"].items())))
    if results.get("source"):
        told.append(("Source hash", str(results["source"])))
    return told


def configs_of(results: Mapping[str, Any], most: int = MOST_CONFIGS) -> tuple[list[ConfigText], str]:
    """The configs that were trained, and a note where some are left out."""
    rows = [row for row in (*results.get("matched", []), *results.get("rows", [])) if row.get("config")]
    shown = [
        ConfigText(str(row.get("model", "a model")), str(row.get("hash", "")), as_yaml(row["config"])) for row in rows[:most]
        if isinstance(row["config"], Mapping)
    ]  # fmt: skip
    note = f"The first {most} of {len(rows)}; all are in results.json." if len(rows) > most else ""
    return shown, note


def as_yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def command_of(results: Mapping[str, Any]) -> str:
    """The command line as one can type it; paths were kept by their last part only.

    >>> command_of({"command": ["iqa-zoo compare", "lifeiqa", "my model.yaml"]})
    "iqa-zoo compare lifeiqa 'my model.yaml'"
    """
    program, *words = results.get("command") or [""]
    if program.endswith(".py"):  # results of schema 1
        program = f"python benchmarks/{program}"
    return f"{program} {shlex.join(words)}".strip()


def label_warnings(labels: Iterable[str]) -> list[str]:
    """Where no human gave the scores, the page says so at the top.

    >>> label_warnings(["MOS", "proxy: distance to the reference"])
    ['Labels are a proxy, not human opinion (distance to the reference). What is said of models here is said of the proxy.']
    """
    found = []
    for label in dict.fromkeys(labels):
        if label not in HUMAN_LABELS:
            kind, _, what = label.partition(":")
            told = f" ({what.strip().removesuffix(', not human opinion')})" if what else ""
            found.append(
                f"Labels are a {kind}, not human opinion{told}. What is said of models here is said of the {kind}."
            )
    return found
