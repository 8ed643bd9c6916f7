"""Recipes: how a model is trained end to end, as data.

A recipe is a YAML file of ``iqa_zoo/recipes`` or of your own with the fields of :class:`Recipe`; an unknown key is an
error with the closest match.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from iqa_zoo.config import FILES, read_mapping
from iqa_zoo.errors import ConfigError, UnknownName, closest, not_one_of
from iqa_zoo.values import value_problem

FOLDER = Path(__file__).resolve().parents[1] / "recipes"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained end to end.

    Args:
        summary: one sentence; where it comes from.
        epochs: an epoch meets every training image once, with all its crops.
        batch_size: crops a step, over all processes and accumulated parts.
        crops: random crops an image gives in an epoch.
        test_crops: crops an image is tested on, the same ones every time; their scores are averaged.
        flip: mirror training crops left to right at random.
        optimizer: ``adam`` (weight decay in the gradient) or ``adamw`` (decoupled).
        lr: learning rate of the decoder.
        backbone_lr: learning rate of the backbone; ``lr`` where it is None.
        weight_decay: of matrices, and of vectors and scalars too with ``decay_vectors``.
        decay_vectors: whether biases, norms and other parameters of fewer than two dimensions decay.
        schedule: ``constant``; ``step``: times ``step_factor`` every ``step_epochs``; ``cosine`` to ``final_lr``.
        step_epochs, step_factor: of the step schedule.
        final_lr: of the cosine, as an absolute rate for the decoder.
        warmup_epochs: the rate rises in a straight line from ``warmup_lr`` (or falls from it, if it is higher).
        warmup_lr: where the warm-up starts.
        clip: largest gradient norm; None for any.
        accumulate: parts a batch is computed in, one after the other, where memory is short. A loss over the batch, such
            as ``plcc``, sees one part at a time.
        precision: of matrix products: ``float32``, ``bfloat16`` (CPU or CUDA), ``float16`` (CUDA, with loss scaling).
        ema: weight of the past in a moving average of the weights, which is then what is tested; None for none.
        patience: stop after so many epochs without a better validation SROCC; None for never.
        freeze: shell patterns of parameter names that are not trained, such as ``backbone`` (all of it) or
            ``backbone.model.layers_0.*``.
        freeze_batch_norm: keep the running statistics of batch normalisation as they are: small batches of crops
            make poor ones.
        labels: ``standardised`` by the training part (predictions are put back on the labels' scale), or ``raw``.
        notes: what the source leaves open and was decided here, and what of it is not reproduced.
    """

    summary: str
    epochs: int
    batch_size: int = 16
    crops: int = 1
    test_crops: int = 10
    flip: bool = True
    optimizer: Literal["adam", "adamw"] = "adamw"
    lr: float = 2e-4
    backbone_lr: float | None = None
    weight_decay: float = 0.0
    decay_vectors: bool = False
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    step_epochs: int = 10
    step_factor: float = 0.1
    final_lr: float = 0.0
    warmup_epochs: float = 0.0
    warmup_lr: float = 0.0
    clip: float | None = None
    accumulate: int = 1
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    ema: float | None = None
    patience: int | None = None
    freeze: tuple[str, ...] = ()
    freeze_batch_norm: bool = True
    labels: Literal["standardised", "raw"] = "standardised"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("freeze", "notes"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if problems := _problems(asdict(self)):
            raise ConfigError(problems, title="the recipe")

    def to_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def passes(self, images: int) -> int:
        """Forward passes in an epoch of so many training images: as many as accumulate to whole steps.

        >>> Recipe(summary="", epochs=1, batch_size=16, accumulate=2).passes(42)  # of 8 crops each
        4
        """
        passes = images * self.crops // (self.batch_size // self.accumulate)
        return passes - passes % self.accumulate


_HINTS = get_type_hints(Recipe)


def list_recipes() -> list[str]:
    """The names of the recipes that come with the package.

    >>> "deiqt" in list_recipes()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return a recipe by its name, from a .yaml or .json file, or from a dict, with some values replaced.

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
    else:
        raise UnknownName(not_one_of(source, list_recipes(), "recipe"))
    content.update(overrides or {})
    known = {each.name: each for each in fields(Recipe)}
    problems = [f"unknown key {key!r}{closest(key, known)}" for key in content if key not in known]
    needed = [each.name for each in known.values() if each.default is MISSING and each.name not in content]
    problems += [f"{name}: missing" for name in needed]
    problems += _problems({key: value for key, value in content.items() if key in known})
    if problems:
        raise ConfigError(problems, title=title)
    return Recipe(**content)


def _problems(content: Mapping[str, Any]) -> list[str]:
    """What cannot be in these values: types first, then ranges."""
    problems = []
    for key, value in content.items():
        if problem := value_problem(value, _HINTS[key]):
            problems.append(f"{key}: {problem}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            low, high = _RANGES.get(key, (0.0, float("inf")))
            if not low <= value <= high:
                problems.append(
                    f"{key}: {value:g} is not from {low:g}" + (f" to {high:g}" if high < 1e9 else " upwards")
                )
    sizes = content.get("batch_size"), content.get("accumulate", 1)
    if not problems and all(isinstance(size, int) for size in sizes) and sizes[0] % sizes[1]:
        problems.append(f"batch_size {sizes[0]} cannot be accumulated in {sizes[1]} equal parts")
    return problems


_RANGES = {
    name: (1.0, float("inf")) for name in ("epochs", "batch_size", "crops", "test_crops", "step_epochs", "accumulate")
}
_RANGES |= {"ema": (0.001, 0.999999), "patience": (1.0, float("inf"))}
