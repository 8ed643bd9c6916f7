"""Train decoders on one backbone: put them on it, train them on the same splits, keep the records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
from iqa_zoo.engine.frozen import FrozenRecipe, train_frozen
from iqa_zoo.engine.provenance import source_hash, versions
from iqa_zoo.engine.selection import every_rule
from iqa_zoo.engine.workers import Failure, run_all
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
