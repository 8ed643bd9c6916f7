"""The data of a study, its splits, and the conditions that its numbers hold under."""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.data.look_alikes import LookAlikes, group_look_alikes
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, load_splits, make_splits
from iqa_zoo.errors import IqaZooError
from iqa_zoo.identity import describe_origin, identify_images, identify_labels
from iqa_zoo.progress import Progress, Reporter
from iqa_zoo.studies.spec import DataSpec, StudySpec
from iqa_zoo.studies.weights import describe_weights
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.recipe import FrozenRecipe

SMALLEST_TEST_PART = 5
TRAINING_MODULE = "iqa_zoo.training.frozen.trainings"  # its code, with that of the parts, trains on frozen features
END_TO_END_MODULE = "iqa_zoo.training.end_to_end.train"

_LOOK_ALIKES: WeakKeyDictionary[RatedImages, LookAlikes] = WeakKeyDictionary()


def load_data(spec: DataSpec, progress: Reporter, source: DataSource | None = None) -> RatedImages:
    """Load the dataset of a study, or another source under the same settings, and compare its images where splits need it."""
    source = source or DataSource(spec.data, spec.root, spec.option, spec.skip_unreadable)
    data = load_dataset(source, progress.start(f"reading {source.name}"), progress.log)
    if spec.images is not None and spec.images < len(data):
        step = len(data) / spec.images
        data = data.select(int(i * step) for i in range(spec.images))
    if spec.groups_look_alikes:
        find_look_alikes(data, progress.start(f"comparing the images of {data.name}"))
    return data


def find_look_alikes(data: RatedImages, progress: Progress | None = None) -> LookAlikes:
    """Return the images of a dataset that look the same; they are searched once per dataset."""
    if data not in _LOOK_ALIKES:
        _LOOK_ALIKES[data] = group_look_alikes(data, progress)
    return _LOOK_ALIKES[data]


def make_study_splits(spec: StudySpec, data: RatedImages, default: int | None = None) -> list[Split]:
    """Return the splits that serve every model; ``default`` is how many where the spec does not say.

    Raises:
        IqaZooError: a test part that is too small, or no validation part where the selection needs one.
    """
    given = spec.data
    if given.split_file:
        splits = load_splits(given.split_file, data)[: given.splits]
    else:
        splits = make_splits(
            data,
            given.splits or default or (1 if spec.protocol.end_to_end else 5 if given.data == "demo" else 10),
            seed=spec.training.seed,
            validation_fraction=given.validation_fraction or 0.0,
            groups=find_look_alikes(data).groups if given.groups_look_alikes else None,
        )
    smallest = min(len(split.test) for split in splits)
    if smallest < SMALLEST_TEST_PART:
        raise IqaZooError(
            f"{data.name}: a test part of {smallest} images is too small for a correlation; use at least 30 images"
        )
    fewest = min(len(split.validation) for split in splits)
    if fewest < SMALLEST_TEST_PART and spec.training.selection == "validation":
        raise IqaZooError(
            f"{data.name}: a validation part of {fewest} images is too small to select an epoch by; raise "
            "--validation-fraction, or use --selection last"
        )
    return splits


def make_frozen_recipe(spec: StudySpec) -> FrozenRecipe:
    """Return the recipe of the compared decoders, its precision decided for the device."""
    given = spec.training
    recipe = FrozenRecipe(epochs=given.epochs, batch_size=given.batch_size, lr=given.lr, precision=given.precision)
    return recipe.on(select_device(spec.resources.device))


def compute_parts_ratio(split: Split) -> float:
    """Return test images per training image, for intervals that account for overlapping splits."""
    return len(split.test) / len(split.train)


def describe_parts(splits: Sequence[Split]) -> dict[str, Any]:
    """Return the sizes of the parts and the names of the splits."""
    parts = {part: len(getattr(splits[0], part)) for part in ("train", "validation", "test")}
    return {"parts": parts, "splits": [split.id for split in splits]}


def describe_data(spec: DataSpec, data: RatedImages, *, split: bool = True) -> dict[str, Any]:
    """Return the description of a dataset for results; with the pairs of look-alikes where splits depend on them."""
    alike = {"look_alikes": find_look_alikes(data).pairs} if split and spec.groups_look_alikes else {}
    return {
        "name": data.name,
        "images": len(data),
        "contents": len(set(data.contents)),
        "label": data.label,
        "higher_is_better": data.higher_is_better,
        "identity": {"images": identify_images(data), "labels": identify_labels(data)},
        "mos": {name: float(mos) for name, mos in zip(data.names, data.mos, strict=True)},
        **alike,
    }


def describe_conditions(
    spec: StudySpec, data: RatedImages, splits: Sequence[Split], left_out: Mapping[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return the conditions that any study's numbers hold under; ``left_out`` are the losses left out by model."""
    return {
        **describe_training(spec),
        "backbone": spec.backbone.backbone,
        "weights": describe_weights(spec.backbone, spec.training.seed),
        "data": describe_data(spec.data, data),
        "selection": spec.training.selection,
        "margin": spec.statistics.margin,
        **describe_parts(splits),
        "view": spec.training.view,
        "crops": spec.training.crops or spec.usual_crops,
        "losses_left_out": dict(left_out or {}),
    }


def describe_training(spec: StudySpec) -> dict[str, Any]:
    """Return the protocol, the code that trains, and the recipe."""
    if spec.protocol.end_to_end:
        name, whole = Path(spec.protocol.recipe).name, spec.protocol.load_recipe()
        trained = {"protocol": spec.protocol.protocol, "recipe": whole.to_dict(), "recipe_name": name}
        return {**describe_code([END_TO_END_MODULE, TRAINING_MODULE]), **trained}
    recipe = make_frozen_recipe(spec)
    trained = {"protocol": "frozen", "recipe": asdict(recipe)}
    return {**describe_code([TRAINING_MODULE]), **trained}


def describe_code(modules: Sequence[str]) -> dict[str, Any]:
    """Return the versions and the code that computed, and the threads."""
    return {**describe_origin(list(modules)), "threads": torch.get_num_threads()}


def choose_distinct_name(name: str, taken: Container[str]) -> str:
    """Return the name of a dataset beside others, with a number where it is taken.

    >>> choose_distinct_name("set", ["set", "set-2"])
    'set-3'
    """
    numbered = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in numbered if each not in taken)


def shorten_command(words: Sequence[str]) -> list[str]:
    """Return a command line with paths by their last part, for results that travel."""
    return [Path(word).name if "/" in word else word for word in words]
