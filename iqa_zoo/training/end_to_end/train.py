"""Train a model end to end on mmengine's Runner, in one process or several."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iqa_zoo.build import build_model
from iqa_zoo.config import config_hash
from iqa_zoo.data.loader import CropLoader, DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, save_splits
from iqa_zoo.errors import InputError
from iqa_zoo.identity import (
    find_part_modules,
    identify_code,
    identify_images,
    identify_labels,
    identify_libraries,
    identify_weights,
)
from iqa_zoo.inference.evaluation import evaluate_scores
from iqa_zoo.inference.predict import predict
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.randomness import seeded
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.end_to_end.checks import (
    check_disk,
    check_options,
    check_parts,
    check_precision,
    check_split_images,
    count_passes,
)
from iqa_zoo.training.end_to_end.hooks import Epochs, Steps, make_image_progress
from iqa_zoo.training.end_to_end.runner import ZooRunner, make_log_settings, make_optim_wrapper, run_quietly
from iqa_zoo.training.end_to_end.sharded import shard
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.freezing import freeze
from iqa_zoo.training.label_scale import LabelScale, fit_label_scale
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.processes import begin_processes, get_rank, get_world, wait
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.selection import check_rule, compare_rules
from iqa_zoo.weights import load_weights, read_state_dict

Progress = Callable[[str, int, int], None]  # (what is said, steps done, steps in all)


class ResultNotWritten(InputError):
    """A training is finished, its weights are kept, and its result cannot be written.

    Attributes:
        result: what ``result.json`` was to hold.
    """

    def __init__(self, message: str, result: dict[str, Any]):
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class TrainingOptions:
    """What a training does besides computing: none of it changes the weights.

    Args:
        selection: a rule of :data:`iqa_zoo.training.selection.RULES`.
        peek: measure the test part after every epoch as well, so that every rule's report can be compared. The rule
            that selects does not look at it, unless it is ``test-oracle``.
        resume: go on from the last checkpoint of the folder, where there is one.
        save_steps: keep a checkpoint every so many steps besides that of each epoch.
        trackers: names of :data:`iqa_zoo.training.end_to_end.runner.TRACKERS`.
        device: as torch names it; CUDA where there is one.
        sharded: the processes share out weights, gradients and optimizer state (:mod:`iqa_zoo.training.end_to_end.sharded`), for a
            model that cannot be trained in one's memory; to test, each holds all weights. What is kept on disk is the same.
        memory_bytes: for decoded images.
    """

    selection: str = "validation"
    peek: bool = False
    resume: bool = False
    save_steps: int | None = None
    trackers: tuple[str, ...] = ()
    device: str | None = None
    sharded: bool = False
    memory_bytes: int = 4 << 30


def train_model(
    cfg: str | Path | Mapping[str, Any],
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    folder: str | Path,
    *,
    seed: int = 0,
    pretrained: bool = False,
    weights: str | Path | None = None,
    recipe_name: str | None = None,
    options: TrainingOptions = TrainingOptions(),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a model on a split's training part and report the test part at the selected epoch.

    The same seed gives the same weights on the same machine, whether or not the run was interrupted: each step seeds
    itself. Under ``torchrun`` the processes share each batch; a batch is the same images and crops in any number of processes.

    Args:
        cfg: what to train.
        data: rated images.
        split: with a validation part, if the selection or an early stop reads one.
        recipe: how.
        folder: where the run is kept (:mod:`iqa_zoo.training.run_folder`).
        seed: of the initial weights, the order of images, the crops and what is random in the model.
        pretrained, weights: as for :func:`iqa_zoo.build_model`.
        recipe_name: noted in ``run.json`` beside the recipe's values, which alone count.
        options: see :class:`TrainingOptions`.
        progress: called after each step, and after each image that is tested; what is said tells which.

    Returns:
        What ``result.json`` holds: test metrics, predictions, the epoch, and what every rule would have reported.

    Raises:
        InputError: an image that cannot be read, a part that is empty or too small to be measured, a folder that cannot
            be written; a loss that is not finite (says the step; the last good checkpoint stays).
        CheckpointError: the folder holds another run; says which keys differ.
    """
    check_rule(options.selection)
    check_parts(data, split)
    check_options(data, split, recipe, options)
    device = begin_processes(select_device(options.device))
    check_precision(recipe, device, options.sharded)
    with seeded(seed, device):
        model = build_model(cfg, pretrained=pretrained, weights=weights)
    if hasattr(model.head, "fit"):
        raise InputError(
            f"the head {model.config['head']['type']!r} is fitted in closed form on frozen features, by benchmarks/compare.py; "
            "to train it end to end choose the head 'linear'"
        )
    freeze(model, recipe.freeze)
    scale = LabelScale() if recipe.labels == "raw" else fit_label_scale(data.mos[split.train], data.name)
    run = {
        "model": model.config,
        "model_hash": config_hash(model.config),
        "recipe": recipe.to_dict(),
        "recipe_name": recipe_name,
        "data": {
            "name": data.name,
            "images": len(data),
            "label": data.label,
            "higher_is_better": data.higher_is_better,
            "score_range": list(data.score_range),
            "images_hash": identify_images(data, [*split.train, *split.validation]),
            "test_images_hash": identify_images(data, split.test),
            "labels_hash": identify_labels(data),
        },
        "split": split.id,
        "seed": seed,
        "selection": options.selection,
        "peek": options.peek or options.selection == "test-oracle",
        "initial_weights": identify_weights(model),
        "scale": vars(scale),
        "versions": identify_libraries(),
        "code": identify_code([__name__], find_part_modules(model.config)),
        "device": device.type,
        "world": get_world(),
        "sharded": options.sharded,
    }
    kept = RunFolder(folder)
    if get_rank() > 0:
        progress = None

    def begin() -> None:
        if get_rank() == 0:
            kept.begin(run, resume=options.resume)
            with kept.writing():
                save_splits(kept.path / "split.json", data, [split])
        wait()

    begun = kept.exists()
    if begun:
        begin()  # only compares
        if (kept.path / "result.json").is_file():
            finished: dict[str, Any] = kept.read("result")
            return finished
    images = DecodedImages(data, memory_bytes=options.memory_bytes, smallest=model.spec.image_size)
    told = make_image_progress(progress, "checking", 0, recipe.epochs * count_passes(data, split, recipe))
    check_disk(kept, model, recipe)
    # A run that has a checkpoint decoded its images before.
    decoding = images if find_latest_checkpoint(kept.checkpoints) is None else None
    enlarged = check_split_images(data, split, model.spec.image_size, decoding, told)
    if not begun:
        begin()
    trainable = _trainable(model, scale, recipe)
    with seeded(seed, device):
        tested, problems = _fit(trainable, data, split, recipe, kept, seed, options, device, images, progress)
    wait()  # for what the first process writes
    result = _report(tested, data, split, recipe, kept, options, images, progress)
    result |= {"enlarged": enlarged, "log_problems": problems}
    if get_rank() == 0:
        try:
            with kept.writing():
                kept.write("result", result)
        except InputError as error:
            raise ResultNotWritten(f"{error}. The weights of the selected epoch are {kept.weights}", result) from error
    wait()
    return result


def _fit(
    trainable: Trainable,
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    kept: RunFolder,
    seed: int,
    options: TrainingOptions,
    device: torch.device,
    images: DecodedImages,
    progress: Progress | None,
) -> tuple[Trainable, list[str]]:
    """Train, and return what the weights are to be tested in and what became of the log.

    They are tested in the same model, or in a replica where that is sharded.
    """
    model = trainable.model
    batches = _Batches(data, split.train, recipe, model.spec.image_size, seed, images)
    if options.sharded:
        replica = copy.deepcopy(trainable).place(device).to("cpu")
        shard(trainable.to(device), device)
    else:
        replica = trainable.place(device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, recipe, backbone_lr=recipe.backbone_lr)
    apart = replica.model if options.sharded else None
    steps = Steps(recipe, seed, len(batches), kept, names, options.save_steps, progress, apart)

    def measure(part: str) -> dict[str, float] | None:
        indices = getattr(split, part)
        wanted = part == "validation" or options.peek or options.selection == "test-oracle"
        if not len(indices) or not wanted:
            return None
        scores = predict(
            replica.scorer,
            data,
            indices,
            crops=recipe.test_crops,
            images=images,
            progress=steps.make_image_progress(part),
        )
        return evaluate_scores(scores, data, indices)["metrics"]

    epochs = Epochs(recipe, options.selection, kept, steps, measure)
    last = find_latest_checkpoint(kept.checkpoints)
    part = f"from-{last.name if last else 'the-start'}"
    with run_quietly(part, kept):
        runner = ZooRunner(
            model=trainable,
            work_dir=str(kept.path / "log"),
            train_dataloader=batches,
            train_cfg=dict(by_epoch=True, max_epochs=recipe.epochs),
            optim_wrapper=make_optim_wrapper(optimizer, recipe, options.sharded),
            default_hooks=dict(sampler_seed=None, param_scheduler=None, checkpoint=None),
            custom_hooks=[epochs, steps],
            launcher="pytorch" if get_world() > 1 else "none",
            visualizer=make_log_settings(options.trackers),
            device=device,
            part=part,
            restore=lambda runner: steps.restore(runner) if options.resume else None,
        )
        try:
            runner.train()
        except BaseException:
            runner.visualizer.close()  # as mmengine does at the end
            raise
    return replica.to(device), runner.visualizer.problems


def _report(
    trainable: Trainable,
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    kept: RunFolder,
    options: TrainingOptions,
    images: DecodedImages,
    progress: Progress | None,
) -> dict[str, Any]:
    history: list[dict[str, Any]] = kept.read("history")
    load_weights(trainable.model, read_state_dict(kept.weights))
    passes = recipe.passes(len(split.train))
    said = make_image_progress(progress, "test", len(history) * passes, recipe.epochs * passes)
    scores = predict(trainable.scorer, data, split.test, crops=recipe.test_crops, images=images, progress=said)
    selected = next(i for i, epoch in enumerate(history) if epoch["selected"])
    return {
        "selection": options.selection,
        "epoch": history[selected]["epoch"],
        "epochs": len(history),
        "validation": history[selected]["validation"],
        **evaluate_scores(scores, data, split.test),
        "every_rule": compare_rules(history),
        "seconds": sum(epoch["seconds"] for epoch in history),
    }


class _Batches:
    """The batches of an epoch as mmengine's loop takes them; as many as accumulate to whole steps."""

    def __init__(
        self,
        data: RatedImages,
        train: NDArray[np.int64],
        recipe: Recipe,
        size: int,
        seed: int,
        images: DecodedImages,
    ):
        part = recipe.batch_size // recipe.accumulate
        self.loader = CropLoader(
            data,
            train,
            size=size,
            crops=recipe.crops,
            batch_size=part,
            seed=seed,
            flip=recipe.flip,
            images=images,
            rank=get_rank(),
            world=get_world(),
            drop_last=True,
        )
        self.dataset = _NoMeta()
        self.length = recipe.passes(len(train))
        self.skipped = 0

    def begin(self, epoch: int, skip: int) -> None:
        self.skipped = skip
        self.loader.set_epoch(epoch, skip)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for batch in islice(self.loader, self.length - self.skipped):
            yield dict(image_BCHW=batch.image_BCHW, mos_B=batch.mos_B)


class _NoMeta:
    """What mmengine asks of a dataset."""

    metainfo: dict[str, Any] = {}  # noqa: RUF012  # read only


def _trainable(model: QualityModel, scale: LabelScale, recipe: Recipe) -> Trainable:
    precision = "bfloat16" if recipe.precision == "bfloat16" else "float32"  # float16: the optimizer wrapper's
    return Trainable(Scorer(model, scale=scale), freeze_batch_norm=recipe.freeze_batch_norm, precision=precision)
