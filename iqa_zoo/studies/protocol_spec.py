"""What a study trains: decoders on frozen features, or whole models end to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from iqa_zoo.config_file import parse_value
from iqa_zoo.studies.settings import parse_pair, setting
from iqa_zoo.training.recipe import Recipe, load_recipe

OWN = "own"  # a backbone's name: each model on its own


def parse_override(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE of a recipe.

    Raises:
        InputError, ConfigError: it is not, or the value cannot be read.

    >>> parse_override("lr=1e-5")
    ('lr', 1e-05)
    """
    key, value = parse_pair(text)
    return key, parse_value(value)


@dataclass(frozen=True)
class ProtocolSpec:
    """Which protocol a study follows, and the recipe of whole models. Frozen decoders are trained as ``TrainingSpec`` says."""

    protocol: Literal["frozen", "end-to-end"] = setting("frozen", "decoders on frozen features, or whole models")
    recipe: str = setting("quick", "end to end: how to train; iqa-zoo list recipes", metavar="NAME|FILE")
    recipe_set: tuple[tuple[str, Any], ...] = setting(
        (),
        "end to end: replace values of the recipe, for example epochs=3 backbone_lr=1e-5",
        metavar="KEY=VALUE",
        parse=parse_override,
    )

    @property
    def end_to_end(self) -> bool:
        return self.protocol == "end-to-end"

    def load_recipe(self) -> Recipe:
        """Return the recipe of whole models.

        Raises:
            UnknownName, ConfigError: no such recipe, or values that cannot be.
        """
        return load_recipe(self.recipe, dict(self.recipe_set))
