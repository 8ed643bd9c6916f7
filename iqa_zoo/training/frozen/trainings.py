"""Train decoders on frozen features for a study, each kept under the identity of everything that its result depends on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iqa_zoo.cache import not_writable, write_file
from iqa_zoo.config import Config, config_hash, resolve_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import digest, find_part_modules, identify_code, identify_labels, identify_libraries
from iqa_zoo.inference.evaluation import evaluate_scores
from iqa_zoo.randomness import seeded
from iqa_zoo.training.frozen.decoder import train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.selection import every_rule
from iqa_zoo.training.workers import Failure, run_all

FORMAT = 1  # part of every key: raise it when what is kept changes
ABANDONED = 600  # seconds after which a file that was not renamed belongs to a process that was killed

Record = dict[str, Any]
Tell = Callable[[str], None]


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


class Identities:
    """Identify trainings on the same data by everything that their results depend on, and nothing else: not a training's
    name, nor how many run at a time.

    That is the config, the features (and so the images) and the labels of the data and of every other test set, the split,
    the recipe, the seed, the rule, the kind of device, the code that trains and of the parts, and the libraries.
    """

    def __init__(self, bank: FeatureBank, data: RatedImages, others: Mapping[str, Elsewhere]):
        sets = {name: [other.bank.key, identify_labels(other.data)] for name, other in others.items()}
        self._shared = digest(FORMAT, bank.key, identify_labels(data), sets, identify_libraries())
        self._codes: dict[frozenset[str], str] = {}

    def identify(self, training: Training) -> str:
        """The identity of a training; the code is what it was when this was first called with these parts."""
        modules = frozenset(find_part_modules(resolve_config(training.cfg)))
        if modules not in self._codes:
            self._codes[modules] = _identify_code(modules)
        split = {part: getattr(training.split, part).tolist() for part in ("train", "validation", "test")}
        asked = [training.seed, training.rule, training.every_rule, torch.device(training.device).type]
        recipe = asdict(training.recipe.on(training.device))
        return digest(
            self._shared, config_hash(training.cfg), training.split.id, split, asked, recipe, self._codes[modules]
        )

    def still_holds(self, training: Training) -> bool:
        """Whether the code of a training is what it was when it was identified."""
        modules = frozenset(find_part_modules(resolve_config(training.cfg)))
        return self._codes[modules] == _identify_code(modules)


def _identify_code(parts: Iterable[str]) -> str:
    return digest(identify_code([__name__], parts))


def train_many(
    trainings: Sequence[Training],
    bank: FeatureBank,
    data: RatedImages,
    cache: Path | None,
    elsewhere: Mapping[str, Elsewhere] | None = None,
    *,
    fresh: bool = False,
    jobs: int = 1,
    ray: str | None = None,
    tell: Tell = lambda _: None,
) -> Iterator[tuple[int, Record]]:
    """Yield (position in ``trainings``, record): first those that were trained before, then the others as they finish.

    Each is kept as soon as it is done, so that what is interrupted goes on where it stopped. One that fails, tried twice,
    has a record of its ``model``, ``split`` and ``error`` only. Where and how many at a time: :func:`run_all`.

    Args:
        trainings: what to train.
        bank, data: on which features and labels.
        cache: where records are kept and found; None to train all and keep none. A cache that cannot be written costs no
            result: it is told once.
        elsewhere: other datasets, by name.
        fresh: train again what was trained before.
        jobs, ray: as :func:`run_all` takes them.
        tell: called with what a user should know, a line each.
    """
    kept = _Kept(cache / "runs", tell) if cache else None
    keys: dict[int, str] = {}
    if kept:
        identities = Identities(bank, data, elsewhere or {})
        keys = {i: identities.identify(training) for i, training in enumerate(trainings)}
        found = {} if fresh else {i: record for i, key in keys.items() if (record := kept.read(key)) is not None}
        if found:
            tell(f"{len(found)} of {len(trainings)} trained before")
        for i, record in found.items():
            yield i, {**record, "model": trainings[i].model, "resumed": True}
            keys.pop(i)
    left = [i for i in range(len(trainings)) if kept is None or i in keys]
    calls = [(trainings[i], bank, data, elsewhere) for i in left]
    for position, record in run_all(train_one, calls, jobs=jobs, ray=ray) if calls else ():
        i, training = left[position], trainings[left[position]]
        if isinstance(record, Failure):
            yield i, {"model": training.model, "split": training.split.id, "error": record.error, "trace": record.trace}
            continue
        # Where the code was edited meanwhile, which of the two a worker ran is not known.
        if kept and identities.still_holds(training):
            kept.write(keys[i], record)
        yield i, record


def train_one(
    training: Training, bank: FeatureBank, data: RatedImages, elsewhere: Mapping[str, Elsewhere] | None = None
) -> Record:
    """Train one decoder on one split and return its record. All that is random depends on the training's seed."""
    others, split = dict(elsewhere or {}), training.split
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
            elsewhere={name: other.bank for name, other in others.items()},
            device=training.device,
        )
    selected = next(measured["epoch"] for measured in run.history if measured["selected"])
    return {
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


class _Kept:
    """The records of trainings, a file each, in a folder that other processes use at the same time."""

    def __init__(self, folder: Path, tell: Tell):
        self.folder, self.tell, self.failed = folder, tell, False
        for partial in folder.glob("*.partial"):
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > ABANDONED:
                    partial.unlink()

    def read(self, key: str) -> Record | None:
        """The record of a key; None where there is none, or what is there is damaged."""
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
                self.tell(f"trainings are not kept: {not_writable(self.folder, error)}")
            self.failed = True


def evaluate_elsewhere(scores: NDArray[np.float64], trained_on: RatedImages, data: RatedImages) -> Record:
    """Metrics of another dataset's images, whichever way its scores run; errors are in the units of the other scale."""
    same = trained_on.higher_is_better == data.higher_is_better
    return flat(evaluate_scores(scores, data, np.arange(len(data)), same_direction=same))


def flat(evaluated: Record) -> Record:
    """What :func:`evaluate_scores` returns, with the metrics beside the rest."""
    return {**evaluated["metrics"], **{key: value for key, value in evaluated.items() if key != "metrics"}}
