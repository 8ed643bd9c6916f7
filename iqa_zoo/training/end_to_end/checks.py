"""Checks before a training begins: its parts, options, images, folder and disk."""

from __future__ import annotations

import os
import shutil

import numpy as np
import torch
from torch import nn

from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.inference.evaluation import FEWEST
from iqa_zoo.outputs import check_folder_writable
from iqa_zoo.progress import Progress
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trackers import check_trackers
from iqa_zoo.training.processes import get_rank, get_world, share
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder


def check_precision(recipe: Recipe, device: torch.device, sharded: bool) -> None:
    if recipe.precision == "float16" and sharded:
        raise InputError("precision float16 cannot be trained sharded: its loss scaling is not; use bfloat16")
    if recipe.precision == "float16" and device.type != "cuda":
        raise InputError("precision float16 needs CUDA, for its loss scaling; use bfloat16 or float32 on a CPU")


def check_parts(data: RatedImages, split: Split) -> None:
    """Check that no part of a split is empty or too small for its metrics.

    Raises:
        InputError: names the part, how many images it has and how many it needs.
    """
    for part in ("train", "test"):
        if not len(getattr(split, part)):
            raise InputError(f"{data.name}: the {part} part of split {split.id} is empty")
    for part, remedy in (("validation", "raise --validation-fraction"), ("test", "choose other splits")):
        count = len(getattr(split, part))
        if 0 < count < FEWEST:
            raise InputError(
                f"{data.name}: the {part} part of split {split.id} has {count} images, and its metrics need {FEWEST}; "
                f"{remedy}"
            )


def check_options(data: RatedImages, split: Split, recipe: Recipe, options: TrainingOptions) -> None:
    if options.sharded and int(os.environ.get("WORLD_SIZE", "1")) < 2:
        raise InputError(
            "a sharded training needs several processes: start it with torchrun --nproc-per-node N -m iqa_zoo.cli train "
            "..., or leave --sharded out"
        )
    if not len(split.validation):
        for what, needs in (
            ("the selection rule 'validation'", options.selection == "validation"),
            ("an early stop (patience)", recipe.patience is not None),
        ):
            if needs:
                raise InputError(
                    f"{data.name}: {what} reads a validation part, and split {split.id} has none; make splits with "
                    "validation_fraction, or choose --selection last"
                )
    check_trackers(options.trackers)


def count_passes(data: RatedImages, split: Split, recipe: Recipe) -> int:
    """Return the number of forward passes per epoch.

    Raises:
        InputError: the crops do not fill a batch.
    """
    passes = recipe.passes(len(split.train))
    if not passes:
        crops = len(split.train) * recipe.crops
        raise InputError(f"{data.name}: {crops} training crops do not fill a batch of {recipe.batch_size}")
    return passes


def check_split_images(
    data: RatedImages, split: Split, size: int, images: DecodedImages | None, progress: Progress | None = None
) -> list[str]:
    """Check all images of a split, including the test part; return the names of those smaller than ``size``.

    Each process checks its share, and all of them raise the errors found. Arguments and errors are those of
    :func:`iqa_zoo.data.preflight.check_images`.
    """
    indices = np.sort(np.concatenate([split.train, split.validation, split.test]))
    problem, small = "", []
    try:
        small = check_images(data, indices[get_rank() :: get_world()], size, images=images, progress=progress)
    except InputError as error:
        problem = str(error)
    return share(small, problem)


def count_bytes(model: nn.Module, recipe: Recipe) -> tuple[int, int]:
    """Return the bytes on disk of a checkpoint and of the weights. Parameters must be frozen before."""
    state = sum(tensor.nbytes for tensor in model.state_dict().values())
    averages = 2 * sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    return state + averages + (state if recipe.ema is not None else 0), state


def check_disk(kept: RunFolder, model: nn.Module, recipe: Recipe) -> None:
    """Check that a run's folder can be written and that its disk has room for two checkpoints and the weights.

    A checkpoint is removed only when the next one is complete.

    Raises:
        InputError: names the folder and the bytes needed and free.
    """
    check_folder_writable(kept.path)
    checkpoint, weights = count_bytes(model, recipe)
    written = [path for path in (*kept.checkpoints.glob("*/*"), kept.weights) if path.is_file()]
    needed = 2 * checkpoint + weights - sum(path.stat().st_size for path in written)
    existing = next(each for each in (kept.path.absolute(), *kept.path.absolute().parents) if each.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{kept.path}: two checkpoints and the weights of this training need {needed / 1e6:,.1f} MB, and "
            f"{free / 1e6:,.1f} MB are free; make room or name a folder on another disk (--out; for a study IQA_ZOO_CACHE)"
        )
