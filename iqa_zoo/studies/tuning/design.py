"""The design of a tuning: the trials that every decoder gets, and what a trial changes in a config and a recipe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scipy.stats import qmc

from iqa_zoo.config import LISTS, Config, part_parameters, resolve_config, slots_inside
from iqa_zoo.config_file import copy_config
from iqa_zoo.registry import SLOTS
from iqa_zoo.training.recipe import FrozenRecipe

RATE = (0.2, 5.0)  # factor of the learning rate, even on a log scale
DECAY = (0.1, 10.0)  # factor of the weight decay, even on a log scale
DROPOUT = (0.0, 0.3)  # even
EPOCHS = (0.5, 2.0)  # factor of the epochs, even on a log scale
AXES = {"lr": RATE, "weight_decay": DECAY, "dropout": DROPOUT, "epochs": EPOCHS}
UNTUNED_SLOTS = ("backbone", "losses")  # a frozen backbone is not trained, and a loss has no dropout


@dataclass(frozen=True)
class Point:
    """What a trial tries. The default of every field changes nothing.

    Attributes:
        lr, weight_decay, epochs: factors of the recipe's values.
        dropout: of every layer of a decoder that has a key for it; None keeps the config's own.
    """

    lr: float = 1.0
    weight_decay: float = 1.0
    dropout: float | None = None
    epochs: float = 1.0

    def change_recipe(self, recipe: FrozenRecipe, share: float = 1.0) -> FrozenRecipe:
        """Return the recipe of this point; ``share`` shortens it, the schedule with it.

        >>> Point(lr=2.0, epochs=1.5).change_recipe(FrozenRecipe(lr=0.001, epochs=12), share=1 / 3).epochs
        6
        """
        epochs = max(1, round(self.epochs * recipe.epochs))
        return replace(
            recipe,
            lr=self.lr * recipe.lr,
            weight_decay=self.weight_decay * recipe.weight_decay,
            epochs=math.ceil(round(share * epochs, 9)),
        )

    def change_config(self, cfg: Mapping[str, Any]) -> Config:
        """Return the config with this dropout; a decoder without a key for it stays as it is."""
        changed = copy_config(dict(cfg))
        if self.dropout is not None:
            for _, part, key in _iterate_dropout_keys(changed):
                part[key] = self.dropout
        return changed


def make_design(trials: int, seed: int) -> tuple[Point, ...]:
    """Return the points of a tuning: the default recipe, then a scrambled Sobol sequence over the four axes.

    A design of more trials begins with the points of a design of fewer, so that trials are not trained twice.

    >>> design = make_design(4, seed=0)
    >>> design[0] == Point(), design == make_design(8, seed=0)[:4]
    (True, True)
    """
    unit_P4 = qmc.Sobol(4, scramble=True, seed=seed).random_base2(max(1, (trials - 1).bit_length()))
    return (Point(), *(_place(*map(float, unit_4)) for unit_4 in unit_P4[: trials - 1]))


def _place(lr: float, weight_decay: float, dropout: float, epochs: float) -> Point:
    low, high = DROPOUT
    return Point(
        lr=_scale(lr, RATE),
        weight_decay=_scale(weight_decay, DECAY),
        dropout=round(low + dropout * (high - low), 3),
        epochs=_scale(epochs, EPOCHS),
    )


def _scale(unit: float, limits: tuple[float, float]) -> float:
    """Return the number at this share of the way between two limits on a log scale, to three digits."""
    low, high = limits
    return float(f"{low * (high / low) ** unit:.3g}")


def find_dropout_keys(cfg: Mapping[str, Any]) -> dict[str, float]:
    """Return the path and value of every config key of a decoder that sets a dropout.

    >>> from iqa_zoo.config import model_config
    >>> find_dropout_keys(model_config("pooled_mlp"))
    {'head.input_dropout': 0.2, 'head.dropout': 0.5}
    """
    resolved = resolve_config(cfg)
    return {path: float(part[key]) for path, part, key in _iterate_dropout_keys(resolved)}


def _iterate_dropout_keys(cfg: Mapping[str, Any]) -> Iterator[tuple[str, Config, str]]:
    """Yield path, part and key of each dropout that the parts of a decoder take, whether the config gives it or not."""
    for slot in SLOTS:
        content = cfg.get(slot)
        if slot in UNTUNED_SLOTS or not content:
            continue
        parts = enumerate(content) if slot in LISTS else [("", content)]
        for index, part in parts:
            yield from _iterate_part(slot, f"{slot}.{index}".rstrip("."), part)


def _iterate_part(slot: str, path: str, part: Config) -> Iterator[tuple[str, Config, str]]:
    for key in part_parameters(slot, part["type"]):
        if "dropout" in key:
            yield f"{path}.{key}", part, key
    for key, inside in slots_inside(slot, part).items():
        for index, nested in enumerate(part.get(key) or ()):
            yield from _iterate_part(inside, f"{path}.{key}.{index}", nested)
