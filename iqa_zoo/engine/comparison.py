"""Compare decoders on one backbone: put them on it, match their budgets, train them on the same splits, take differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from iqa_zoo.budgets.measure import backbone_spec
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.engine.metrics import METRICS
from iqa_zoo.engine.statistics import (
    Difference,
    bootstrap_difference,
    holm,
    median_iqr,
    paired_difference,
    srocc_difference_p,
)
from iqa_zoo.registry import BACKBONES

Record = dict[str, Any]


def backbone_config(
    name: str, configs: Sequence[Mapping[str, Any]], options: Mapping[str, Any] | None = None
) -> Config:
    """Return one backbone that serves all configs: a registered backbone or a timm model, with every stage they read.

    That is every stage it has, where a part reads all that there are (``stages`` is None): what such a part computes does
    not hang on the company it is in.
    """
    registered = name in BACKBONES.names() and name != "timm_features"
    backbone = dict(type=name) if registered else dict(type="timm_features", name=name)
    config = {**backbone, "stages": [], **(options or {})}
    parts = [part for cfg in configs for part in _parts_of(cfg)]
    stages = {stage for part in parts for stage in _stages_read(part)}
    if any(part.get("stages", ()) is None for part in parts):
        stages |= set(backbone_spec({**configs[0], "backbone": config}).available_stages)
    return {**config, "stages": sorted(stages)}


def _parts_of(cfg: Mapping[str, Any]) -> list[Config]:
    """What reads the backbone, defaults included."""
    resolved = resolve_config(cfg)
    parts = [resolved["queries"], resolved["memory"], *resolved["interactions"], resolved["head"], *resolved["losses"]]
    return [part for part in parts if part]


def _stages_read(part: Mapping[str, Any]) -> set[int]:
    """The stages that a part names."""
    named = {part["stage"]} if isinstance(part.get("stage"), int) else set()
    return named | set(part["stages"] if isinstance(part.get("stages"), list) else ())


def summarise(records: Sequence[Record]) -> dict[str, Record]:
    """Per model: median and quartiles over the splits of every metric, and seconds a split."""
    summary: dict[str, Record] = {}
    for model in dict.fromkeys(record["model"] for record in records):
        mine = [record for record in records if record["model"] == model]
        summary[model] = {name: asdict(median_iqr([record[name] for record in mine])) for name in METRICS}
        summary[model]["splits"] = len(mine)
        summary[model]["seconds"] = float(np.median([record["seconds"] for record in mine]))
        kinds = {kind for record in mine for kind in record.get("srocc_by_distortion", {})}
        if kinds:
            summary[model]["srocc_by_distortion"] = {
                kind: float(
                    np.median([r["srocc_by_distortion"][kind] for r in mine if kind in r["srocc_by_distortion"]])
                )
                for kind in sorted(kinds)
            }
    return summary


def summarise_rules(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """Per model and selection rule: what it would have reported (median SROCC) and the epoch (median)."""
    summary: dict[str, dict[str, Record]] = {}
    for model in dict.fromkeys(record["model"] for record in records):
        mine = [record["every_rule"] for record in records if record["model"] == model]
        rules = [rule for rule in mine[0] if all(rule in reported for reported in mine)]
        summary[model] = {
            rule: {
                "srocc": float(np.median([reported[rule]["srocc"] for reported in mine])),
                "plcc": float(np.median([reported[rule]["plcc"] for reported in mine])),
                "epoch": float(np.median([reported[rule]["epoch"] for reported in mine])),
            }
            for rule in rules
        }
    return summary


def differences(
    records: Sequence[Record],
    test_train_ratio: float,
    data: RatedImages,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> list[Record]:
    """Every pair of models (or these) on the same splits: SROCC difference, 95 % interval, wins, Holm-adjusted p.

    Over several splits the mean difference, the corrected interval and Wilcoxon's p; on a single split the difference
    with a paired bootstrap over its images (whole contents, where images share them) and Williams' p.
    """
    by_model: dict[str, dict[str, Record]] = {}
    for record in records:
        by_model.setdefault(record["model"], {})[record["split"]] = record
    found: list[Record] = []
    for first, second in itertools.combinations(by_model, 2) if pairs is None else pairs:
        splits = [split for split in by_model.get(first, {}) if split in by_model.get(second, {})]
        if not splits:
            continue
        a, b = ([by_model[model][split]["srocc"] for split in splits] for model in (first, second))
        if len(splits) > 1:
            difference, test = paired_difference(a, b, test_train_ratio=test_train_ratio), "wilcoxon"
        else:
            difference = _on_one_split(by_model[first][splits[0]], by_model[second][splits[0]], data)
            test = "williams"
        wins = sum(x > y for x, y in zip(a, b, strict=True))
        found.append(
            {
                "first": first,
                "second": second,
                "wins": wins,
                "splits": len(splits),
                "test": test,
                **asdict(difference),
                "tie": difference.is_tie,
            }
        )
    for pair, p in zip(found, holm([pair["p"] for pair in found]), strict=True):
        pair["p_holm"] = p
    return found


def _on_one_split(first: Record, second: Record, data: RatedImages) -> Difference:
    index_of = {name: i for i, name in enumerate(data.names)}
    names = list(first["predictions"])
    chosen = [index_of[name] for name in names]
    scores_a, scores_b = ([record["predictions"][name] for name in names] for record in (first, second))
    groups = [data.contents[i] for i in chosen] if data.references is not None else None
    difference = bootstrap_difference(scores_a, scores_b, data.mos[chosen], groups=groups)
    p = srocc_difference_p(scores_a, scores_b, data.mos[chosen])
    return replace(difference, p=1.0 if math.isnan(p) else p)
