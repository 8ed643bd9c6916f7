"""Compare decoders on one backbone: put them on it, match their budgets, train them on the same splits, take differences."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.budgets.measure import backbone_spec
from iqa_zoo.config import Config, config_hash, resolve_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.evaluation import evaluate_scores
from iqa_zoo.engine.features import FeatureBank
from iqa_zoo.engine.frozen import train_frozen
from iqa_zoo.engine.metrics import METRICS
from iqa_zoo.engine.provenance import source_hash, versions
from iqa_zoo.engine.selection import every_rule
from iqa_zoo.engine.statistics import (
    Difference,
    bootstrap_difference,
    holm,
    median_iqr,
    paired_difference,
    srocc_difference_p,
)
from iqa_zoo.engine.workers import Failure, run_all
from iqa_zoo.registry import BACKBONES
from iqa_zoo.training.recipe import FrozenRecipe

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


def run_key(training: Training, bank: FeatureBank, elsewhere: Mapping[str, Elsewhere]) -> str:
    """Name one training by everything that its result depends on, the source of this package included."""
    what = [
        config_hash(training.cfg),
        bank.key,
        training.split.id,
        asdict(training.recipe.on(training.device)),
        training.seed,
        training.rule,
        training.every_rule,
        {name: other.bank.key for name, other in elsewhere.items()},
        source_hash(),
        versions(),
    ]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Training:
    """One decoder on one split: what :func:`train_one` is called with."""

    model: str
    cfg: Config
    split: Split
    recipe: FrozenRecipe
    seed: int
    rule: str = "validation"
    every_rule: bool = True
    device: str = "cpu"


@dataclass(frozen=True)
class Elsewhere:
    """Another dataset that trained models are tested on, and its features from the same backbone."""

    data: RatedImages
    bank: FeatureBank


def train_many(
    trainings: Sequence[Training],
    bank: FeatureBank,
    data: RatedImages,
    cache: Path | None,
    elsewhere: Mapping[str, Elsewhere] | None = None,
    *,
    jobs: int = 1,
    ray: str | None = None,
) -> Iterator[tuple[int, Record]]:
    """Yield (position in ``trainings``, record) as trainings finish.

    Each is kept as soon as it is done, so that what is interrupted goes on where it stopped. One that fails, tried twice,
    has a record of its ``model``, ``split`` and ``error`` only. Where and how many at a time: :func:`run_all`.
    """
    calls = [(training, bank, data, cache, elsewhere) for training in trainings]
    for i, record in run_all(train_one, calls, jobs=jobs, ray=ray):
        if isinstance(record, Failure):
            training = trainings[i]
            record = {"model": training.model, "split": training.split.id, "error": record.error, "trace": record.trace}
        yield i, record


def train_one(
    training: Training,
    bank: FeatureBank,
    data: RatedImages,
    cache: Path | None,
    elsewhere: Mapping[str, Elsewhere] | None = None,
) -> Record:
    """Train one decoder on one split and return its record; one that was trained before is read from the cache."""
    others = dict(elsewhere or {})
    kept = cache / "runs" / f"{run_key(training, bank, others)}.json" if cache else None
    if kept and kept.is_file():
        try:
            return {**json.loads(kept.read_text(encoding="utf-8")), "model": training.model, "resumed": True}
        except json.JSONDecodeError:
            pass  # cut off while it was written: train again
    split = training.split
    run = train_frozen(
        training.cfg,
        bank,
        data.mos,
        split,
        recipe=training.recipe,
        seed=training.seed,
        rule=training.rule,
        every_rule=training.every_rule,
        elsewhere={name: other.bank for name, other in others.items()},
        device=training.device,
    )
    selected = next(measured["epoch"] for measured in run.history if measured["selected"])
    record = {
        "model": training.model,
        "config": config_hash(training.cfg),
        "split": split.id,
        "seed": training.seed,
        **flat(evaluate_scores(run.predictions, data, split.test)),
        "elsewhere": {
            name: evaluate_elsewhere(run.elsewhere[name], data, other.data) for name, other in others.items()
        },
        "epoch": selected,
        "epochs": training.recipe.epochs,
        "last_loss": run.history[-1]["loss"],
        "every_rule": every_rule(run.history) if training.every_rule else {},
        "seconds": run.seconds,
        "resumed": False,
    }
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(record), encoding="utf-8")
        partial.rename(kept)
    return record


def evaluate_elsewhere(scores: NDArray[np.float64], trained_on: RatedImages, data: RatedImages) -> Record:
    """Metrics of another dataset's images, whichever way its scores run; errors are in the units of the other scale."""
    same = trained_on.higher_is_better == data.higher_is_better
    return flat(evaluate_scores(scores, data, np.arange(len(data)), same_direction=same))


def flat(evaluated: Record) -> Record:
    """What :func:`evaluate_scores` returns, with the metrics beside the rest."""
    return {**evaluated["metrics"], **{key: value for key, value in evaluated.items() if key != "metrics"}}


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
