"""Compare decoders on one backbone: put them on it, match their budgets, train them on the same splits, take differences."""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import iqa_zoo
from iqa_zoo.config import Config, config_hash, resolve_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.features import FeatureBank
from iqa_zoo.engine.frozen import FrozenRecipe, train_frozen
from iqa_zoo.engine.metrics import METRICS, srocc
from iqa_zoo.engine.statistics import holm, median_iqr, paired_difference
from iqa_zoo.registry import BACKBONES

Record = dict[str, Any]


def backbone_config(
    name: str, configs: Sequence[Mapping[str, Any]], options: Mapping[str, Any] | None = None
) -> Config:
    """Return one backbone that serves all configs: a registered backbone or a timm model, with every stage they read."""
    stages = sorted({stage for cfg in configs for stage in _stages_read(cfg)})
    if name in BACKBONES.names() and name != "timm_features":
        return dict(type=name, stages=stages, **(options or {}))
    return dict(type="timm_features", name=name, stages=stages, **(options or {}))


def _stages_read(cfg: Mapping[str, Any]) -> set[int]:
    """The stages that the parts of a config name, resolved defaults included."""
    resolved = resolve_config(cfg)
    parts = [resolved["queries"], resolved["memory"], *resolved["interactions"], resolved["head"]]
    named = [part["stage"] for part in parts if part and isinstance(part.get("stage"), int)]
    several = [stage for part in parts if part and isinstance(part.get("stages"), list) for stage in part["stages"]]
    return {*named, *several}


def run_key(cfg: Config, bank: FeatureBank, split: Split, recipe: FrozenRecipe, seed: int) -> str:
    """Name one training by everything that its result depends on, the source of this package included."""
    what = [config_hash(cfg), bank.key, split.id, asdict(recipe), seed, source_hash(), versions()]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def source_hash() -> str:
    """A hash of this package's source files: results of other code are not taken for results of this."""
    digest = hashlib.sha256()
    for path in sorted(Path(iqa_zoo.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """The versions a number depends on."""
    packages = {name: version(name) for name in ("torch", "timm", "numpy", "scipy", "scikit-image")}
    return {"iqa_zoo": iqa_zoo.__version__, "python": platform.python_version(), **packages}


@dataclass(frozen=True)
class Training:
    """One decoder on one split: what :func:`train_one` is called with."""

    model: str
    cfg: Config
    split: Split
    recipe: FrozenRecipe
    seed: int


def train_many(
    trainings: Sequence[Training], bank: FeatureBank, data: RatedImages, cache: Path | None, jobs: int
) -> Iterator[tuple[int, Record]]:
    """Yield (position in ``trainings``, record) as trainings finish, ``jobs`` of them at a time.

    Each runs on one thread in a process of its own, so that the results do not depend on ``jobs``, and is kept as soon
    as it is done, so that what is interrupted goes on where it stopped.
    """
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        futures = {
            pool.submit(train_one, t.model, t.cfg, bank, data, t.split, t.recipe, t.seed, cache): i
            for i, t in enumerate(trainings)
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def train_one(
    model: str,
    cfg: Config,
    bank: FeatureBank,
    data: RatedImages,
    split: Split,
    recipe: FrozenRecipe,
    seed: int,
    cache: Path | None,
) -> Record:
    """Train one decoder on one split and return its record; one that was trained before is read from the cache."""
    kept = cache / "runs" / f"{run_key(cfg, bank, split, recipe, seed)}.json" if cache else None
    if kept and kept.is_file():
        try:
            return {**json.loads(kept.read_text(encoding="utf-8")), "model": model, "resumed": True}
        except json.JSONDecodeError:
            pass  # cut off while it was written: train again
    run = train_frozen(cfg, bank, data.mos, split, recipe=recipe, seed=seed)
    test_mos = data.mos[split.test]
    record: Record = {
        "model": model,
        "config": config_hash(cfg),
        "split": split.id,
        "seed": seed,
        **{name: metric(run.predictions, test_mos) for name, metric in METRICS.items()},
        "last_loss": run.last_loss,
        "seconds": run.seconds,
        "resumed": False,
        "predictions": {
            data.names[i]: round(float(score), 4) for i, score in zip(split.test, run.predictions, strict=True)
        },
    }
    if data.distortions is not None:
        record["srocc_by_distortion"] = _by_distortion(data, split, run.predictions)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(record), encoding="utf-8")
        partial.rename(kept)
    return record


def _by_distortion(data: RatedImages, split: Split, predictions: NDArray[np.float64]) -> dict[str, float]:
    assert data.distortions is not None
    kinds = np.array(data.distortions)[split.test]
    mos = data.mos[split.test]
    return {
        str(kind): srocc(predictions[kinds == kind], mos[kinds == kind])
        for kind in np.unique(kinds)
        if (kinds == kind).sum() >= 5
    }


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


def differences(records: Sequence[Record], test_train_ratio: float) -> list[Record]:
    """Every pair of models on the same splits: mean SROCC difference, 95 % interval, wins, Holm-adjusted p."""
    by_model: dict[str, dict[str, float]] = {}
    for record in records:
        by_model.setdefault(record["model"], {})[record["split"]] = record["srocc"]
    pairs: list[Record] = []
    for first, second in itertools.combinations(by_model, 2):
        splits = [split for split in by_model[first] if split in by_model[second]]
        if len(splits) < 2:
            continue
        a = [by_model[first][split] for split in splits]
        b = [by_model[second][split] for split in splits]
        difference = paired_difference(a, b, test_train_ratio=test_train_ratio)
        wins = sum(x > y for x, y in zip(a, b, strict=True))
        pairs.append({"first": first, "second": second, "wins": wins, **asdict(difference), "tie": difference.is_tie})
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = p
    return pairs
