"""Train models end to end: one training after the other, each kept in a folder that all studies share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from iqa_zoo.cache import cache_folder
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import (
    digest,
    find_part_modules,
    identify_code,
    identify_file,
    identify_images,
    identify_labels,
    identify_libraries,
)
from iqa_zoo.inference.evaluation import evaluate_test_set, flatten_metrics
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.predict import predict
from iqa_zoo.progress import StepProgress
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.train import train_model
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder, hold_run
from iqa_zoo.training.workers import describe_failure

TRAINING = "iqa_zoo.training.end_to_end.train"  # its code and that of the parts identify a training

Record = dict[str, Any]


@dataclass(frozen=True)
class EndToEnd:
    """One model on one split."""

    model: str
    cfg: Config
    split: Split
    recipe: Recipe
    seed: int
    weights: Path | None = None
    pretrained: bool = False
    recipe_name: str | None = None
    every_rule: bool = True  # measure the test part after every epoch, so that the rules can be compared
    fresh: bool = False  # train anew, whatever its folder holds


def end_to_end_folder() -> Path:
    """Return the folder of all trainings end to end, in the cache; it may not exist yet."""
    return cache_folder() / "end_to_end"


def find_run_folder(training: EndToEnd, data: RatedImages, options: TrainingOptions) -> Path:
    """Return the folder of a training, which every study that needs the same training shares; it may not exist yet."""
    return end_to_end_folder() / identify_run(training, data, options)


def train_all_end_to_end(
    trainings: Sequence[EndToEnd],
    data: RatedImages,
    options: TrainingOptions,
    test_sets: Mapping[str, RatedImages] | None = None,
    progress: StepProgress | None = None,
) -> Iterator[tuple[int, Record]]:
    """Yield (position in ``trainings``, record), in order; trainings that were begun before are resumed unless
    they are ``fresh``.

    Args:
        trainings: what to train.
        data: the dataset.
        options: of every training, besides ``resume``, which is on, and ``peek``, which each training says.
        test_sets: further datasets, by name; all their images are predicted at the selected epoch.
        progress: called after each step and each tested image.
    """
    for i, training in enumerate(trainings):
        try:
            record = _train(training, data, options, test_sets or {}, progress)
        except Exception as error:  # costs its own training only
            failed = describe_failure(error)
            record = {"model": training.model, "split": training.split.id, **vars(failed)}
        yield i, record


def _train(
    training: EndToEnd,
    data: RatedImages,
    options: TrainingOptions,
    test_sets: Mapping[str, RatedImages],
    progress: StepProgress | None,
) -> Record:
    folder = find_run_folder(training, data, options)
    with hold_run(folder, wait=True):  # another study may train it right now, or remove it to train it anew
        if training.fresh and RunFolder(folder).exists():
            shutil.rmtree(folder)
        finished = (folder / "result.json").is_file()
        result = train_model(
            training.cfg,
            data,
            training.split,
            training.recipe,
            folder,
            seed=training.seed,
            pretrained=training.pretrained,
            weights=training.weights,
            recipe_name=training.recipe_name,
            options=replace(options, resume=True, peek=training.every_rule),
            progress=progress,
        )
        history = RunFolder(folder).read("history")
        selected = next(epoch for epoch in history if epoch["selected"])
        tested = _evaluate_test_sets(folder, training.recipe.test_crops, data, test_sets, options)
    return {
        "model": training.model,
        "config": config_hash(training.cfg),
        "split": training.split.id,
        "seed": training.seed,
        **flatten_metrics(
            {key: result[key] for key in ("metrics", "predictions", "srocc_by_distortion") if key in result}
        ),
        **{key: result[key] for key in ("epoch", "epochs", "every_rule", "seconds")},
        "validation_srocc": (selected.get("validation") or {}).get("srocc"),
        "last_loss": history[-1]["loss"],
        "test_sets": tested,
        "resumed": finished,
        "run": folder.name,
    }


def identify_run(training: EndToEnd, data: RatedImages, options: TrainingOptions) -> str:
    """Identify one training by what its result depends on: if any of it changes, the run has another folder.

    The model's name, the study and its settings that change no training, as the margin, are not part of it.
    """
    cfg = resolve_config(training.cfg)
    split = {part: getattr(training.split, part).tolist() for part in ("train", "validation", "test")}
    weights = identify_file(training.weights) if training.weights else training.pretrained
    return digest(
        [config_hash(cfg), weights, training.recipe.to_dict(), training.seed, options.selection, training.every_rule],
        [data.name, identify_images(data), identify_labels(data), training.split.id, split],
        select_device(options.device).type,
        identify_code([TRAINING], find_part_modules(cfg)),
        identify_libraries(),
    )


def _evaluate_test_sets(
    folder: Path, crops: int, data: RatedImages, test_sets: Mapping[str, RatedImages], options: TrainingOptions
) -> dict[str, Record]:
    if not test_sets:
        return {}
    scorer, _ = load_run(folder, options.device)
    records = {}
    for name, other in test_sets.items():
        images = DecodedImages(other, memory_bytes=0, smallest=scorer.model.spec.image_size)
        scores = predict(scorer, other, np.arange(len(other)), crops=crops, images=images)
        records[name] = {**evaluate_test_set(scores, data, other), "enlarged": images.notes}
    return records
