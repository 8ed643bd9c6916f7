"""Estimate what an end-to-end training does and costs before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.build import build_model
from iqa_zoo.config import Config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.end_to_end.checks import check_split_images, count_bytes, count_passes
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.freezing import freeze
from iqa_zoo.training.recipe import Recipe

TIMED = 8  # maximum number of crops in the timed step


def plan_training(
    cfg: Config, data: RatedImages, split: Split, recipe: Recipe, weights: Path | None, options: TrainingOptions
) -> dict[str, Any]:
    """Return parameters, steps, bytes on disk and seconds of a training, from one timed step of the model.

    Raises:
        InputError: the training crops do not fill a batch; the header of an image shows that it cannot be used.
    """
    model = build_model(cfg, weights=weights)  # pretrained weights change no cost and are not fetched
    freeze(model, recipe.freeze)
    sizes = {part: len(getattr(split, part)) for part in ("train", "validation", "test")}
    steps = count_passes(data, split, recipe) // recipe.accumulate
    checkpoint_bytes, weights_bytes = count_bytes(model, recipe)
    enlarged = check_split_images(data, split, model.spec.image_size, None)
    measured = sizes["validation"] + (sizes["test"] if options.measures_test else 0)
    device = select_device(options.device)
    crop_seconds, image_seconds = _time(model, recipe, device)
    epoch_seconds = steps * recipe.batch_size * crop_seconds + measured * image_seconds
    return {
        "model_hash": config_hash(model.config),
        "image_size": model.spec.image_size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "recipe_values": recipe.to_dict(),
        "dataset": data.name,
        "split": split.id,
        "images": sizes,
        "epochs": recipe.epochs,
        "steps_an_epoch": steps,
        "steps": recipe.epochs * steps,
        "crops_a_step": recipe.batch_size,
        "crops_an_image": recipe.crops,
        "enlarged": len(enlarged),
        "checkpoint_bytes": checkpoint_bytes,
        "weights_bytes": weights_bytes,
        "seconds": recipe.epochs * epoch_seconds + sizes["test"] * image_seconds,
        "device": device.type,
    }


def _time(model: QualityModel, recipe: Recipe, device: torch.device) -> tuple[float, float]:
    """Return the seconds to train on one crop and to test one image, each timed once after a warm-up."""
    scorer = ScaledModel(model)
    trainable = Trainable(scorer, freeze_batch_norm=recipe.freeze_batch_norm, precision=recipe.precision)
    trainable.place(device).train()
    size = model.spec.image_size
    batch = min(recipe.batch_size // recipe.accumulate, TIMED)

    def crops(count: int) -> torch.Tensor:
        return torch.randint(256, (count, 3, size, size), dtype=torch.uint8).to(device)

    def step() -> None:
        trainable(crops(batch), torch.rand(batch, device=device))["total"].backward()
        trainable.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def test() -> None:
        scorer.score_crops(crops(recipe.test_crops)).sum().item()  # waits for an accelerator to finish

    [[training]] = time_in_turn([step], rounds=1)
    trainable.eval()
    [[testing]] = time_in_turn([test], rounds=1)
    return training / batch, testing
