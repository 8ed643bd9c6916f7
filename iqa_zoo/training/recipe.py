"""Recipes: how a model is trained, as data.

:class:`Recipe` trains from images and :class:`FrozenRecipe` a decoder on cached features. What they share has one name and
one meaning: :class:`TrainingRecipe`. A recipe of images is a YAML file of ``iqa_zoo/recipes`` or of your own with the fields
of :class:`Recipe`; an unknown key is an error with the closest match.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_type_hints

from iqa_zoo.config import is_run_folder, read_run_value
from iqa_zoo.config_file import FILES, read_mapping
from iqa_zoo.errors import ConfigError, UnknownName, closest, not_one_of
from iqa_zoo.registry import list_models
from iqa_zoo.values import value_problem

if TYPE_CHECKING:
    import torch

    from iqa_zoo.data.rated import RatedImages

Decay = Literal["weights", "all", "none"]
RECIPES = "recipes"  # what lists call them
FOLDER = Path(__file__).resolve().parents[1] / "recipes"


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """What both trainers read from a recipe, each value under one rule.

    Args:
        epochs: an epoch meets every training image once.
        batch_size: crops a step.
        optimizer: ``adam`` (weight decay in the gradient) or ``adamw`` (decoupled).
        lr: peak learning rate (of the decoder, where the backbone has its own).
        weight_decay: of the parameters that ``decay`` names.
        decay: which parameters decay, a rule of :func:`iqa_zoo.training.optimizer.find_decayed_parameters`: ``weights`` (by which
            inputs are multiplied: matrices and convolution kernels), ``all`` or ``none``.
        schedule: ``constant``; ``step``: times ``step_factor`` every ``step_epochs``; ``cosine`` to ``final_lr``.
        step_epochs, step_factor: of the step schedule.
        final_lr: of the cosine, as an absolute rate for the decoder.
        warmup_lr: where the warm-up starts.
        clip: largest gradient norm; None for any.
        ema: weight of the past, a step, in a moving average of the weights, which is then what predicts
            (:class:`iqa_zoo.training.averaging.MovingAverage`); None for none.
        ema_every: steps between two updates of the average.
    """

    epochs: int
    batch_size: int
    optimizer: Literal["adam", "adamw"] = "adamw"
    lr: float
    weight_decay: float = 0.0
    decay: Decay = "weights"
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    step_epochs: int = 10
    step_factor: float = 0.1
    final_lr: float = 0.0
    warmup_lr: float = 0.0
    clip: float | None = None
    ema: float | None = None
    ema_every: int = 1

    def __post_init__(self) -> None:
        if problems := _problems(asdict(self), type(self)):
            raise ConfigError(problems, title="the recipe")

    def to_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def count_steps(self, images: int) -> int:
        """Steps of an epoch of so many training images; 0 where their crops do not fill a batch."""
        raise NotImplementedError

    def warmup_steps(self, steps_an_epoch: int) -> float:
        """Steps of the warm-up, a straight line from ``warmup_lr`` to ``lr``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FrozenRecipe(TrainingRecipe):
    """How a decoder is trained on frozen features, the same for every decoder that is compared.

    Args:
        epochs: an epoch meets every training image once, as one of its cached crops, drawn anew.
        warmup_share: of all steps, in which the rate rises to its peak.
        ema_every: 4, as an update costs a pass over the weights.
        measurements: how many times the parts are measured, evenly over the epochs and after the last; a rule chooses from
            these epochs. Measuring all of a test part costs as much as half an epoch of training.
        precision: of the matrix products, in training and in prediction; the head, the losses and the optimizer stay in
            float32. ``auto`` is bfloat16 where the processor or the GPU multiplies it natively, else float32.

    The other values are those of :class:`TrainingRecipe`.
    """

    epochs: int = 12
    batch_size: int = 64
    lr: float = 1.1e-3
    weight_decay: float = 0.05
    clip: float | None = 1.0
    ema: float | None = 0.98
    ema_every: int = 4
    warmup_share: float = 0.05
    measurements: int = 4
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def on(self, device: torch.device | str) -> Self:
        """The recipe with its precision decided for a device."""
        if self.precision != "auto":
            return self
        from iqa_zoo.training.devices import find_fast_precision  # imports torch, which reading a recipe does not need

        return replace(self, precision=find_fast_precision(device))

    def count_steps(self, images: int) -> int:
        """A batch is at most the images there are; the rest waits for the next epoch."""
        return images // min(self.batch_size, images)

    def warmup_steps(self, steps_an_epoch: int) -> float:
        """At least one step, where there is a warm-up."""
        return max(1, math.floor(self.epochs * steps_an_epoch * self.warmup_share)) if self.warmup_share else 0


@dataclass(frozen=True, kw_only=True)
class Recipe(TrainingRecipe):
    """How a model is trained end to end.

    Args:
        summary: one sentence; where it comes from.
        epochs: an epoch meets every training image once, with all its crops.
        batch_size: crops a step, over all processes and accumulated parts.
        crops: random crops an image gives in an epoch.
        test_crops: crops an image is tested on, at fixed positions (:func:`iqa_zoo.data.crops.compute_grid_boxes`); their scores are averaged.
        flip: mirror training crops left to right at random.
        backbone_lr: learning rate of the backbone; ``lr`` where it is None.
        warmup_epochs: the rate rises in a straight line from ``warmup_lr`` (or falls from it, if it is higher).
        accumulate: parts a batch is computed in, one after the other, where memory is short. A loss over the batch, such
            as ``plcc``, sees one part at a time.
        precision: of matrix products: ``float32``, ``bfloat16`` (CPU or CUDA), ``float16`` (CUDA, with loss scaling).
        patience: stop after so many epochs without a better validation SROCC; None for never.
        freeze: shell patterns of parameter names that are not trained, such as ``backbone`` (all of it) or
            ``backbone.model.layers_0.*``.
        freeze_batch_norm: keep the running statistics of batch normalisation as they are: small batches of crops
            make poor ones.
        labels: ``standardised`` by the training part (predictions are put back on the labels' scale), or ``raw``.
        notes: what the source leaves open and was decided here, and what of it is not reproduced.

    The other values are those of :class:`TrainingRecipe`.
    """

    summary: str
    batch_size: int = 16
    crops: int = 1
    test_crops: int = 10
    flip: bool = True
    lr: float = 2e-4
    backbone_lr: float | None = None
    warmup_epochs: float = 0.0
    accumulate: int = 1
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    patience: int | None = None
    freeze: tuple[str, ...] = ()
    freeze_batch_norm: bool = True
    labels: Literal["standardised", "raw"] = "standardised"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("freeze", "notes"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        super().__post_init__()

    def count_steps(self, images: int) -> int:
        return self.passes(images) // self.accumulate

    def warmup_steps(self, steps_an_epoch: int) -> float:
        return self.warmup_epochs * steps_an_epoch

    def passes(self, images: int) -> int:
        """Forward passes in an epoch of so many training images: as many as accumulate to whole steps.

        >>> Recipe(summary="", epochs=1, batch_size=16, accumulate=2).passes(42)  # of 8 crops each
        4
        """
        passes = images * self.crops // (self.batch_size // self.accumulate)
        return passes - passes % self.accumulate


def list_recipes() -> list[str]:
    """The names of the recipes that come with the package.

    >>> "deiqt" in list_recipes()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def choose_recipe(model: str, data: RatedImages) -> str:
    """Return the recipe that a model is trained with where none is named.

    It is that of the run where the model is the folder of a training, else the one named as the model, or as it and the kind
    of the data's distortions, else ``quick``.
    """
    if model not in list_models() and is_run_folder(model):
        return model
    kind = "synthetic" if data.distortions is not None and data.references is not None else "authentic"
    return next((name for name in (model, f"{model}_{kind}") if name in list_recipes()), "quick")


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return a recipe by its name, from a .yaml or .json file, of a training's folder, or from a dict, with some values replaced.

    Raises:
        UnknownName: no such recipe or file.
        ConfigError: unknown or missing keys, values that cannot be; all of them are listed.

    >>> load_recipe("deiqt", {"epochs": 2}).epochs
    2
    """
    title = "the recipe"
    if isinstance(source, Mapping):
        content = dict(source)
    elif Path(source).suffix.lower() in FILES:
        content, title = read_mapping(source), str(source)
    elif (FOLDER / f"{source}.yaml").is_file():
        content, title = read_mapping(FOLDER / f"{source}.yaml"), f"the recipe {source}"
    elif is_run_folder(source):
        content, title = read_run_value(source, "recipe"), f"the recipe of {source}"
    else:
        raise UnknownName(not_one_of(source, list_recipes(), "recipe"))
    given = dict(overrides or {})
    problems = [*_migrate(content), *_migrate(given)]
    content.update(given)
    known = {each.name: each for each in fields(Recipe)}
    problems += [f"unknown key {key!r}{closest(key, known)}" for key in content if key not in known]
    needed = [each.name for each in known.values() if each.default is MISSING and each.name not in content]
    problems += [f"{name}: missing" for name in needed]
    problems += _problems({key: value for key, value in content.items() if key in known}, Recipe)
    if problems:
        raise ConfigError(problems, title=title)
    return Recipe(**content)


def _migrate(content: dict[str, Any]) -> list[str]:
    """Replace, in place, the key that ``decay`` had before it named a rule; return what is wrong with that key."""
    if "decay_vectors" not in content:
        return []
    old = content.pop("decay_vectors")
    if not isinstance(old, bool) or "decay" in content:
        return [f"decay_vectors: {old!r} is the older form of decay: all (true) or weights (false); give decay alone"]
    content["decay"] = "all" if old else "weights"
    return []


def _problems(content: Mapping[str, Any], kind: type[TrainingRecipe]) -> list[str]:
    """What is wrong with these values: types first, then ranges."""
    problems, hints = [], get_type_hints(kind)
    for key, value in content.items():
        if problem := value_problem(value, hints[key]):
            problems.append(f"{key}: {problem}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            low, high = _RANGES.get(key, (0.0, math.inf))
            if not low <= value <= high:
                problems.append(
                    f"{key}: {value:g} is not from {low:g}" + (f" to {high:g}" if high < 1e9 else " upwards")
                )
    sizes = content.get("batch_size"), content.get("accumulate", 1)
    if not problems and all(isinstance(size, int) for size in sizes) and sizes[0] % sizes[1]:
        problems.append(f"batch_size {sizes[0]} cannot be accumulated in {sizes[1]} equal parts")
    return problems


_COUNTS = (
    "epochs",
    "batch_size",
    "crops",
    "test_crops",
    "step_epochs",
    "accumulate",
    "patience",
    "ema_every",
    "measurements",
)
_RANGES = dict.fromkeys(_COUNTS, (1.0, math.inf)) | {"ema": (0.001, 0.999999), "warmup_share": (0.0, 1.0)}
