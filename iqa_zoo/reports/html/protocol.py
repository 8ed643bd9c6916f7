"""The conditions, configs and command behind the numbers of a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from iqa_zoo.reports.html.predictions import list_datasets
from iqa_zoo.reports.notes import describe_view
from iqa_zoo.reports.shared import HUMAN_LABELS
from iqa_zoo.training.selection import RULES
from iqa_zoo.words import count_nouns

MOST_CONFIGS = 60


@dataclass(frozen=True)
class ConfigText:
    """A model's config as YAML."""

    name: str
    hash: str
    text: str


def list_conditions(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what the numbers of a study depend on."""
    conditions: list[tuple[str, str]] = []

    def add(name: str, key: str, form: Any = str) -> None:
        if results.get(key) not in (None, "", [], {}):
            conditions.append((name, form(results[key])))

    for data in list_datasets(results):
        conditions.append(("Dataset", format_dataset(data)))
        if data.get("splits"):
            conditions.append((f"Splits of {data['name']}", format_splits(data["splits"], data.get("parts", {}))))
    add("Protocol", "protocol")
    add("Backbone", "backbone")
    add("Weights", "weights")
    add("Matched by", "match", lambda by: f"{by} to {results['target']}" if results.get("target") else str(by))
    add("Splits", "splits", lambda splits: format_splits(splits, results.get("parts", {})))
    if seeds := sorted({run["seed"] for run in results.get("runs", []) if "seed" in run}):
        conditions.append(("Seeds", ", ".join(map(str, seeds))))
    add("Selection rule", "selection", format_rule)
    if results.get("view") == "whole":
        conditions.append(("Features of", describe_view(results)))
    else:
        add("Crops per image", "crops")
    add("Recipe", "recipe_name")
    add("Recipe values", "recipe", format_values)
    add("Learning rate of the baseline", "baseline_lr", lambda rate: f"{rate:g}")
    conditions += list_versions(results)
    add("Margin of equivalence", "margin", lambda margin: f"SROCC {margin:g}")
    add("Threads", "threads")
    add("Total time", "seconds", lambda seconds: f"{seconds:.0f} s")
    return conditions


def format_dataset(data: Mapping[str, Any]) -> str:
    """Format a dataset in one line.

    >>> format_dataset(dict(name="two", images=2, contents=1, label="DMOS", higher_is_better=False))
    'two: 2 images of 1 content; labels: DMOS, lower is better'
    """
    contents = (
        f" of {count_nouns(data['contents'], 'content')}" if data.get("contents") not in (None, data["images"]) else ""
    )
    if pairs := len(data.get("look_alikes", ())):
        contents += f" ({count_nouns(pairs, 'pair')} of images that look the same kept in one part)"
    way = "higher" if data.get("higher_is_better", True) else "lower"
    return f"{data['name']}: {data['images']} images{contents}; labels: {data['label']}, {way} is better"


def format_splits(splits: Sequence[str], parts: Mapping[str, int]) -> str:
    sizes = ", ".join(f"{count} {part}" for part, count in parts.items())
    return f"{len(splits)}{f' of {sizes}' if sizes else ''}: {', '.join(splits)}"


def format_rule(rule: str) -> str:
    return f"{rule}: {RULES[rule]}" if rule in RULES else rule


def format_values(values: Mapping[str, Any]) -> str:
    """Format the values of a recipe, without its summary and notes.

    >>> format_values(dict(epochs=3, lr=0.0001, summary="For all", freeze=[]))
    'epochs 3, lr 0.0001'
    """
    shown = {key: value for key, value in values.items() if key not in ("summary", "notes") and value not in (None, [])}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items()
    )


def list_versions(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    versions = []
    if results.get("versions"):
        versions.append(("Versions", ", ".join(f"{name} {version}" for name, version in results["versions"].items())))
    if results.get("source"):
        versions.append(("Source hash", str(results["source"])))
    return versions


def list_configs(results: Mapping[str, Any]) -> tuple[list[ConfigText], str]:
    """List the trained configs, with a note if some are left out."""
    rows = [row for row in (*results.get("matched", []), *results.get("rows", [])) if row.get("config")]
    shown = [
        ConfigText(str(row.get("model", "a model")), str(row.get("hash", "")), format_yaml(row["config"])) for row in rows[:MOST_CONFIGS]
        if isinstance(row["config"], Mapping)
    ]  # fmt: skip
    note = f"The first {MOST_CONFIGS} of {len(rows)}; results.json holds all." if len(rows) > MOST_CONFIGS else ""
    return shown, note


def format_yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def format_command(results: Mapping[str, Any]) -> str:
    """Format the command line for a shell; paths are kept by their last part only.

    >>> format_command({"command": ["iqa-zoo compare", "lifeiqa", "my model.yaml"]})
    "iqa-zoo compare lifeiqa 'my model.yaml'"
    """
    program, *arguments = results.get("command") or [""]
    if program.endswith(".py"):  # results of schema 1
        program = f"python benchmarks/{program}"
    return f"{program} {shlex.join(arguments)}".strip()


def list_label_warnings(labels: Iterable[str]) -> list[str]:
    """List a warning for each kind of label that is not human opinion.

    >>> list_label_warnings(["MOS", "proxy: distance to the reference"])
    ['Labels are a proxy, not human opinion (distance to the reference). Results on this page describe the proxy.']
    """
    warnings = []
    for label in dict.fromkeys(labels):
        if label not in HUMAN_LABELS:
            kind, _, what = label.partition(":")
            note = f" ({what.strip().removesuffix(', not human opinion')})" if what else ""
            warnings.append(f"Labels are a {kind}, not human opinion{note}. Results on this page describe the {kind}.")
    return warnings
