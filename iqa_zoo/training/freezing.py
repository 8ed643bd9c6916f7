"""Freeze parameters of a model."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from iqa_zoo.errors import ConfigError, closest


def freeze(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Stop the training of the parameters that a shell pattern names (a name alone means all below it).

    Returns:
        The names of the parameters that are frozen.

    Raises:
        ConfigError: a pattern that names no parameter, or nothing left to train.

    >>> freeze(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), ["0"])
    ['0.weight', '0.bias']
    """
    parameters = dict(model.named_parameters())
    frozen = []
    for pattern in patterns:
        met = [name for name in parameters if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
        if not met:
            modules = [name for name, _ in model.named_modules() if name]
            raise ConfigError(
                [f"freeze: no parameter is named {pattern!r}{closest(pattern, modules)}"], title="the recipe"
            )
        frozen += met
    for name in frozen:
        parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ConfigError(["freeze: nothing is left to train"], title="the recipe")
    return list(dict.fromkeys(frozen))
