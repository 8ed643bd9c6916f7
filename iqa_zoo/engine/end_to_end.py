"""Compare models trained end to end: the same splits, seeds, recipe and crops for all, one training after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iqa_zoo.config import Config, config_hash
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.comparison import Record, evaluate_elsewhere, flat
from iqa_zoo.engine.prediction import predict
from iqa_zoo.engine.recipe import Recipe
from iqa_zoo.engine.scoring import EnlargedImages
from iqa_zoo.engine.training import TrainingOptions, load_run, train_model
from iqa_zoo.engine.workers import failure


@dataclass(frozen=True)
class EndToEnd:
    """One model on one split, and the folder of its run."""

    model: str
    cfg: Config
    split: Split
    recipe: Recipe
    seed: int
    folder: Path
    weights: Path | None = None
    pretrained: bool = False
    recipe_name: str | None = None


def train_all_end_to_end(
    trainings: Sequence[EndToEnd],
    data: RatedImages,
    options: TrainingOptions,
    elsewhere: Mapping[str, RatedImages] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[tuple[int, Record]]:
    """Yield (position in ``trainings``, record), in order; what was finished or begun before goes on where it stopped.

    A training that fails has a record of its ``model``, ``split`` and ``error`` only, and the others go on.

    Args:
        trainings: what to train.
        data: on which dataset.
        options: of every training; each is resumed and peeks after every epoch, so that the rules can be compared.
        elsewhere: other datasets, all of whose images are predicted at the selected epoch.
        progress: called with (words, done, all) after each step and each image that is tested.
    """
    for i, training in enumerate(trainings):
        try:
            record = _train(training, data, options, elsewhere or {}, progress)
        except Exception as error:  # whatever goes wrong costs its own training only
            failed = failure(error)
            record = {
                "model": training.model,
                "split": training.split.id,
                "error": failed.error,
                "trace": failed.trace,
            }
        yield i, record


def _train(
    training: EndToEnd,
    data: RatedImages,
    options: TrainingOptions,
    elsewhere: Mapping[str, RatedImages],
    progress: Callable[[str, int, int], None] | None,
) -> Record:
    result = train_model(
        training.cfg,
        data,
        training.split,
        training.recipe,
        training.folder,
        seed=training.seed,
        pretrained=training.pretrained,
        weights=training.weights,
        recipe_name=training.recipe_name,
        options=replace(options, resume=True, peek=True),
        progress=progress,
    )
    return {
        "model": training.model,
        "config": config_hash(training.cfg),
        "split": training.split.id,
        "seed": training.seed,
        **flat({key: result[key] for key in ("metrics", "predictions", "srocc_by_distortion") if key in result}),
        **{key: result[key] for key in ("epoch", "epochs", "every_rule", "seconds")},
        "elsewhere": _elsewhere(training, data, elsewhere, options),
    }


def _elsewhere(
    training: EndToEnd, data: RatedImages, elsewhere: Mapping[str, RatedImages], options: TrainingOptions
) -> dict[str, Record]:
    if not elsewhere:
        return {}
    trainable, _ = load_run(training.folder, options.device)
    crops = training.recipe.test_crops
    records = {}
    for name, other in elsewhere.items():
        images = EnlargedImages(other, trainable.model.spec.image_size)
        scores = predict(trainable, other, np.arange(len(other)), crops=crops, images=images)
        records[name] = {**evaluate_elsewhere(scores, data, other), "enlarged": images.notes}
    return records
