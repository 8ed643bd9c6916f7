"""Train decoders on frozen features for a study and keep each record under the identity of what its result depends on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from iqa_zoo.cache import make_cache_error, write_file
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import digest, find_part_modules, identify_code, identify_labels, identify_libraries
from iqa_zoo.inference.evaluation import evaluate_scores, evaluate_test_set, flatten_metrics
from iqa_zoo.progress import Notify
from iqa_zoo.randomness import seeded
from iqa_zoo.training.frozen.decoder import train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.selection import compare_rules
from iqa_zoo.training.workers import Failure, run_all

FORMAT = 1  # part of every key: raise it when what is kept changes
ABANDONED = 600  # seconds after which a partial file counts as left by a killed process

Record = dict[str, Any]


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
class ExtraTestSet:
    """A further dataset that trained models are tested on, and its features from the same backbone."""

    data: RatedImages
    bank: FeatureBank


class Identities:
    """Identify trainings on the same data by what their results depend on, and by nothing else (name, number of jobs).

    A result depends on the config, the features (and so the images) and labels of the data and of each further test set,
    the split, recipe, seed, rule, kind of device, the code of training and parts, and the libraries.
    """

    def __init__(self, bank: FeatureBank, data: RatedImages, test_sets: Mapping[str, ExtraTestSet]):
        sets = {name: [other.bank.key, identify_labels(other.data)] for name, other in test_sets.items()}
        self._shared = digest(FORMAT, bank.key, identify_labels(data), sets, identify_libraries())
        self._codes: dict[frozenset[str], str] = {}

    def identify(self, training: Training) -> str:
        """Return the identity of a training. The code is read once for each set of parts."""
        modules = _find_modules(training)
        if modules not in self._codes:
            self._codes[modules] = _identify_code(modules)
        split = {part: getattr(training.split, part).tolist() for part in ("train", "validation", "test")}
        settings = [training.seed, training.rule, training.every_rule, torch.device(training.device).type]
        recipe = asdict(training.recipe.on(training.device))
        return digest(
            self._shared, config_hash(training.cfg), training.split.id, split, settings, recipe, self._codes[modules]
        )

    def still_holds(self, training: Training) -> bool:
        """Return whether the code of a training is unchanged since it was identified."""
        modules = _find_modules(training)
        return self._codes[modules] == _identify_code(modules)


def _find_modules(training: Training) -> frozenset[str]:
    return frozenset(find_part_modules(resolve_config(training.cfg)))


def _identify_code(parts: Iterable[str]) -> str:
    return digest(identify_code([__name__], parts))


def train_many(
    trainings: Sequence[Training],
    bank: FeatureBank,
    data: RatedImages,
    cache: Path | None,
    test_sets: Mapping[str, ExtraTestSet] | None = None,
    *,
    fresh: bool = False,
    jobs: int = 1,
    ray: str | None = None,
    slurm: str | None = None,
    notify: Notify = lambda _: None,
) -> Iterator[tuple[int, Record]]:
    """Yield (position in ``trainings``, record): first the kept records, then the others as their trainings finish.

    Each record is kept at once, so that an interrupted study resumes. A training that fails twice has a record of its
    ``model``, ``split`` and ``error`` only. :func:`run_all` runs the trainings.

    Args:
        trainings: what to train.
        bank, data: on which features and labels.
        cache: where records are kept; None to train all and keep none. A cache that cannot be written costs no result;
            the user is notified once.
        test_sets: further datasets to test on, by name.
        fresh: train again, whatever is kept.
        jobs, ray, slurm: as :func:`run_all` takes them.
        notify: called with each line for the user.
    """
    kept = _KeptRecords(cache / "runs", notify) if cache else None
    keys: dict[int, str] = {}
    if kept:
        identities = Identities(bank, data, test_sets or {})
        keys = {i: identities.identify(training) for i, training in enumerate(trainings)}
        found = {} if fresh else {i: record for i, key in keys.items() if (record := kept.read(key)) is not None}
        if found:
            notify(f"{len(found)} of {len(trainings)} trained before")
        for i, record in found.items():
            yield i, {**record, "model": trainings[i].model, "resumed": True}
            keys.pop(i)
    left = [i for i in range(len(trainings)) if kept is None or i in keys]
    calls = [(trainings[i], bank, data, test_sets) for i in left]
    if jobs > 1 and any("__main__" in _find_modules(trainings[i]) for i in left):
        notify(
            "parts that are registered in the running script train in this process; in a module of their own, in several"
        )
        jobs = 1
    for position, record in run_all(train_one, calls, jobs=jobs, ray=ray, slurm=slurm) if calls else ():
        i, training = left[position], trainings[left[position]]
        if isinstance(record, Failure):
            yield i, {"model": training.model, "split": training.split.id, **vars(record)}
            continue
        # If the code was edited meanwhile, the version that a worker ran is unknown.
        if kept and identities.still_holds(training):
            kept.write(keys[i], record)
        yield i, record


def train_one(
    training: Training, bank: FeatureBank, data: RatedImages, test_sets: Mapping[str, ExtraTestSet] | None = None
) -> Record:
    """Train one decoder on one split and return its record. All randomness depends on the training's seed."""
    others, split = dict(test_sets or {}), training.split
    with seeded(training.seed, training.device):
        run = train_frozen(
            training.cfg,
            bank,
            data.mos,
            split,
            recipe=training.recipe,
            seed=training.seed,
            rule=training.rule,
            every_rule=training.every_rule,
            test_sets={name: other.bank for name, other in others.items()},
            device=training.device,
        )
    selected = next(measured for measured in run.history if measured["selected"])
    return {
        "model": training.model,
        "config": config_hash(training.cfg),
        "split": split.id,
        "seed": training.seed,
        **flatten_metrics(evaluate_scores(run.predictions, data, split.test)),
        "test_sets": {name: evaluate_test_set(run.test_sets[name], data, other.data) for name, other in others.items()},
        "epoch": selected["epoch"],
        "validation_srocc": (selected.get("validation") or {}).get("srocc"),
        "epochs": training.recipe.epochs,
        "last_loss": run.history[-1]["loss"],
        "every_rule": compare_rules(run.history) if training.every_rule and len(run.history) > 1 else {},
        "seconds": run.seconds,
        "resumed": False,
    }


class _KeptRecords:
    """Records of trainings, one file each, in a folder that several processes use at the same time."""

    def __init__(self, folder: Path, notify: Notify):
        self.folder, self.notify, self.failed = folder, notify, False
        for partial in folder.glob("*.partial"):
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > ABANDONED:
                    partial.unlink()

    def read(self, key: str) -> Record | None:
        """Return the record of a key; None where it is missing or damaged."""
        try:
            record = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) and "predictions" in record else None

    def write(self, key: str, record: Record) -> None:
        try:
            write_file(self.folder / f"{key}.json", json.dumps(record))
        except OSError as error:
            if not self.failed:
                self.notify(f"trainings are not kept: {make_cache_error(self.folder, error)}")
            self.failed = True
