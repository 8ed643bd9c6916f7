"""The learning rate as a function of the step: there is no state to save or restore."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from iqa_zoo.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from torch.optim import Optimizer


def compute_rate_factor(recipe: TrainingRecipe, step: int, steps_an_epoch: int) -> float:
    """Return the factor of the peak learning rate at a step, counted from 0; one rule for both trainers.

    >>> from iqa_zoo.training.recipe import Recipe
    >>> recipe = Recipe(summary="", epochs=20, schedule="step", step_epochs=10, step_factor=0.1, warmup_epochs=2)
    >>> [round(compute_rate_factor(recipe, epoch * 100, 100), 3) for epoch in (0, 1, 2, 9, 10)]
    [0.005, 0.505, 1.0, 1.0, 0.1]
    """
    warmup = recipe.warmup_steps(steps_an_epoch)
    if step < warmup:
        start = recipe.warmup_lr / recipe.lr if recipe.lr else 0.0
        return start + (1 - start) * min(1.0, (step + 1) / warmup)
    if recipe.schedule == "step":
        return recipe.step_factor ** (step // (recipe.step_epochs * steps_an_epoch))
    if recipe.schedule == "cosine":
        end = recipe.final_lr / recipe.lr if recipe.lr else 0.0
        angle = math.pi * (step - warmup) / max(1, recipe.epochs * steps_an_epoch - warmup)
        return end + (1 - end) * 0.5 * (1 + math.cos(angle))
    return 1.0


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set the rate of each parameter group to its peak (``initial_lr``) times a factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
