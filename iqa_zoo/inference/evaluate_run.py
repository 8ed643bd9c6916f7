"""Evaluate a trained model on rated images, of its own dataset or of another."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.choose_split import load_split
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.inference.evaluation import evaluate_scores
from iqa_zoo.inference.predict import predict
from iqa_zoo.inference.raters import ScoredPart, summarize_raters
from iqa_zoo.inference.run import TrainedRun
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.progress import Progress
from iqa_zoo.stats.bootstrap import bootstrap_interval
from iqa_zoo.stats.metrics import explain_undefined

FEWEST_CONTENTS = 5  # that an interval over contents can rest on
PARTS = ("test", "validation", "train", "all")


@dataclass(frozen=True, eq=False)
class ChosenImages:
    """The images that a model is evaluated on.

    Attributes:
        part: one of ``PARTS``.
        split: of which it is a part; None where all images of another dataset are used.
        own: the split that the model was trained on; None where this is another dataset.
        indices: of the images.
    """

    part: str
    split: Split | None
    own: Split | None
    indices: NDArray[np.int64]


def choose_images(
    trained: TrainedRun, data: RatedImages, part: str | None = None, split_file: Path | None = None, number: int = 1
) -> ChosenImages:
    """Return the images to evaluate on.

    Args:
        trained: the run.
        data: its dataset or another.
        part: of the split; test, or all images of a dataset that the model was not trained on, where left out.
        split_file: used instead of the training's own split.
        number: of the split in that file.

    Raises:
        InputError: the dataset has the name of the training's and other images, or there is no such part.
    """
    own = load_own_split(trained, data)
    split = load_split(split_file, data, number) if split_file is not None else own
    part = part or ("test" if split is not None else "all")
    if part == "all":
        return ChosenImages(part, split, own, np.arange(len(data)))
    if split is None:
        raise InputError(
            f"--part {part}: the model was trained on another dataset, so that {data.name} has no parts here; give "
            "--split-file FILE, or leave --part out for all images"
        )
    indices: NDArray[np.int64] = getattr(split, part)
    if not len(indices):
        raise InputError(f"{data.name}: the {part} part of split {split.id} is empty")
    return ChosenImages(part, split, own, indices)


def load_own_split(trained: TrainedRun, data: RatedImages) -> Split | None:
    """Return the split that the model was trained on; None where this is another dataset.

    Raises:
        InputError: the dataset has the name of the training's and other images.
    """
    if trained.data.name != data.name:
        return None
    try:
        return load_split(trained.folder / "split.json", data)
    except InputError as error:
        raise InputError(
            f"{error}. The model was trained on a dataset called {data.name}, and these images are not the same; "
            "another dataset needs another name (for a table: --option name=NAME)"
        ) from error


@dataclass(frozen=True, eq=False)
class RunEvaluation:
    """What came of an evaluation: ``values`` as JSON takes them, and the scores of the images by position."""

    values: dict[str, Any]
    data: RatedImages
    indices: NDArray[np.int64]
    scores: NDArray[np.float64]

    def format_csv(self) -> str:
        """Format label and score of each image as CSV."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("image", "mos", "score"))
        data = self.data
        for i, score in zip(self.indices, self.scores, strict=True):
            table.writerow((data.names[i], float(data.mos[i]), float(score)))
        return text.getvalue()


def evaluate_run(
    scorer: ScaledModel,
    trained: TrainedRun,
    data: RatedImages,
    chosen: ChosenImages,
    crops: int,
    warnings: list[str],
    progress: Progress | None = None,
) -> RunEvaluation:
    """Score images and compare the scores with their labels.

    Args:
        scorer: the trained model.
        trained: its run.
        data: the dataset.
        chosen: which of its images.
        crops: of each image; their scores are averaged.
        warnings: of :func:`iqa_zoo.inference.own_data.find_overlap`, kept with the result.
        progress: called with (images scored, images in all).

    Raises:
        InputError: an image cannot be read.
    """
    indices, size = chosen.indices, scorer.model.spec.image_size
    images = DecodedImages(data, memory_bytes=0, smallest=size)
    scores = predict(scorer, data, indices, crops=crops, images=images, progress=progress)
    same_direction = trained.data.higher_is_better == data.higher_is_better
    turned = scores if same_direction else -scores
    found = evaluate_scores(scores, data, indices, same_direction=same_direction)
    if chosen.own is None:  # an error on another scale means nothing; after a fit it is in the labels' units
        del found["metrics"]["rmse"]
    undefined = explain_undefined(scores, data.mos[indices])
    values = {
        "run": trained.shown,
        "trained_on": trained.data.name,
        "recipe": trained.recipe_name,
        "dataset": data.name,
        "part": chosen.part,
        "split": chosen.split.id if chosen.split is not None else None,
        "images": len(indices),
        "view": scorer.model.spec.view,
        "crops": crops,
        "direction": describe_direction(trained, data),
        "warnings": warnings,
        "image_size": size,
        "enlarged": {name: images.notes[name] for name in (data.names[i] for i in indices) if name in images.notes},
        **found,
        "raters": summarize_raters(
            [ScoredPart(trained.name, chosen.part, dict(zip(found["predictions"], turned.tolist(), strict=True)))],
            data,
            fit=chosen.own is None,
        ),
        "undefined": undefined,
        "srocc_interval": None if undefined else _interval(turned, data, indices),
    }
    return RunEvaluation(values, data, indices, scores)


def describe_direction(trained: TrainedRun, data: RatedImages) -> str:
    """Say which way the model's scores and the labels of a dataset run."""
    ways = {True: "higher is better", False: "lower is better"}
    model, labels = trained.data.higher_is_better, data.higher_is_better
    if model == labels:
        return f"{ways[model]} in the model's scores ({trained.data.label}) and in the labels ({data.label})"
    return (
        f"{ways[model]} in the model's scores ({trained.data.label}), {ways[labels]} in the labels "
        f"({data.label}): the scores were turned (negated) before they were compared"
    )


def _interval(scores: NDArray[np.float64], data: RatedImages, indices: NDArray[np.int64]) -> dict[str, Any] | None:
    groups = [data.contents[i] for i in indices]
    if len(set(groups)) < FEWEST_CONTENTS:
        return None
    grouped = data.references is not None
    interval = bootstrap_interval(scores, data.mos[indices], groups=groups if grouped else None)
    resampled = "contents" if grouped else "images"
    return {"low": interval.low, "high": interval.high, "confidence": 0.95, "of": resampled, "count": interval.count}
