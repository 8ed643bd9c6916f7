"""Train a model end to end on mmengine's Runner, in one process or several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_zoo.build import build_model
from iqa_zoo.config_hash import config_hash
from iqa_zoo.contracts import Fits
from iqa_zoo.data.decoded import DecodedImages
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
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.progress import StepProgress, make_image_progress
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
from iqa_zoo.training.end_to_end.fit import Job, fit, report_selected
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.freezing import freeze
from iqa_zoo.training.label_scale import LabelScale, fit_label_scale
from iqa_zoo.training.processes import begin_processes, get_rank, get_world, wait
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.selection import check_rule


class ResultNotWritten(InputError):
    """A training is finished and its weights are kept, but its result cannot be written.

    Attributes:
        result: the content of ``result.json``.
    """

    def __init__(self, message: str, result: dict[str, Any]):
        super().__init__(message)
        self.result = result


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
    options: TrainingOptions = TrainingOptions(),  # noqa: B008  # frozen
    progress: StepProgress | None = None,
) -> dict[str, Any]:
    """Train a model on a split's training part and report the test part at the selected epoch.

    The same seed gives the same weights on the same machine, whether or not the run was interrupted: each step seeds
    itself. Under ``torchrun`` the processes share each batch; a batch has the same images and crops in any number of processes.

    Args:
        cfg: what to train.
        data: rated images.
        split: with a validation part, if the selection or an early stop reads one.
        recipe: how to train.
        folder: of the run (:mod:`iqa_zoo.training.run_folder`).
        seed: of the initial weights, the order of images, the crops and the randomness in the model.
        pretrained, weights: as for :func:`iqa_zoo.build_model`.
        recipe_name: noted in ``run.json``; only the values of the recipe count.
        options: see :class:`~iqa_zoo.training.end_to_end.options.TrainingOptions`.
        progress: called after each step and after each tested image.

    Returns:
        The content of ``result.json``: test metrics, predictions, the epoch, and what each rule would have reported.

    Raises:
        InputError: an image cannot be read; a part is empty or too small to be measured; the folder cannot be written; a
            loss is not finite (names the step; the last good checkpoint stays).
        CheckpointError: the folder holds another run; names the keys that differ.
    """
    check_rule(options.selection)
    check_parts(data, split)
    check_options(data, split, recipe, options)
    device = begin_processes(select_device(options.device))
    check_precision(recipe, device, options.sharded)
    with seeded(seed, device):
        model = build_model(cfg, pretrained=pretrained, weights=weights)
    if isinstance(model.head, Fits):
        raise InputError(
            f"the head {model.config['head']['type']!r} is fitted in closed form on frozen features, by iqa-zoo compare; "
            "to train it end to end choose the head 'linear'"
        )
    freeze(model, recipe.freeze)
    scale = LabelScale() if recipe.labels == "raw" else fit_label_scale(data.mos[split.train], data.name)
    run = {
        "model": model.config,
        "model_hash": config_hash(model.config),
        "recipe": recipe.to_dict(),
        "recipe_name": recipe_name,
        "data": _describe_data(data, split),
        "split": split.id,
        "seed": seed,
        "selection": options.selection,
        "peek": options.measures_test,
        "initial_weights": identify_weights(model),
        "scale": vars(scale),
        "versions": identify_libraries(),
        "code": identify_code([__name__], find_part_modules(model.config)),
        "device": device.type,
        "world": get_world(),
        "sharded": options.sharded,
        "arguments": options.arguments,
    }
    kept = RunFolder(folder)

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
    size = model.spec.image_size
    images = DecodedImages(data, memory_bytes=options.memory_bytes, smallest=size)
    job = Job(data, split, recipe, kept, seed, options, images, progress if get_rank() == 0 else None)
    checked = make_image_progress(job.progress, "checking", 0, recipe.epochs * count_passes(data, split, recipe))
    check_disk(kept, model, recipe)
    # A run that has a checkpoint decoded its images before.
    decoding = images if find_latest_checkpoint(kept.checkpoints) is None else None
    enlarged = check_split_images(data, split, size, decoding, checked)
    if not begun:
        begin()
    with seeded(seed, device):
        tested, problems = fit(_make_trainable(model, scale, recipe), job, device)
    wait()  # for what the first process writes
    result = report_selected(tested, job) | {"enlarged": enlarged, "log_problems": problems}
    if get_rank() == 0:
        try:
            with kept.writing():
                kept.write("result", result)
        except InputError as error:
            raise ResultNotWritten(f"{error}. The weights of the selected epoch are {kept.weights}", result) from error
    wait()
    return result


def _describe_data(data: RatedImages, split: Split) -> dict[str, Any]:
    return {
        "name": data.name,
        "images": len(data),
        "label": data.label,
        "higher_is_better": data.higher_is_better,
        "score_range": list(data.score_range),
        "images_hash": identify_images(data, [*split.train, *split.validation]),
        "test_images_hash": identify_images(data, split.test),
        "labels_hash": identify_labels(data),
    }


def _make_trainable(model: QualityModel, scale: LabelScale, recipe: Recipe) -> Trainable:
    precision = "bfloat16" if recipe.precision == "bfloat16" else "float32"  # the optimizer wrapper handles float16
    return Trainable(ScaledModel(model, scale=scale), freeze_batch_norm=recipe.freeze_batch_norm, precision=precision)
