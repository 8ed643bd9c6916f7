"""Inputs that do not depend on how many there are, and parts in which nothing hides behind a zero."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, StageInfo

M = TypeVar("M", bound=nn.Module)

STAGES = {1: StageInfo(5, 4), 2: StageInfo(7, 8), 3: StageInfo(9, 16), 4: StageInfo(11, 32)}
"""Stage maps that a fake backbone gives, of sizes that no real backbone has."""


def perturbed(part: M) -> M:
    """Noise on every parameter, so that what starts at zero (a scale, a bias) does not hide the rest."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return part


def randn(batch: int, *shape: int, seed: int = 0) -> Tensor:
    """Normal noise whose item i is the same in a batch of any size."""
    items = [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(batch)]
    return torch.stack(items)


def mapped(function: Callable[[Tensor], Any], value: Any) -> Any:
    """The same value with a function applied to each of its tensors, those in lists, dicts and dataclasses too.

    >>> mapped(lambda tensor: tensor + 1, ({"a": torch.zeros(1)}, None))
    ({'a': tensor([1.])}, None)
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: mapped(function, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(function, item) for item in value)
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**{key: mapped(function, getattr(value, key)) for key in value.__dataclass_fields__})
    return value


def to_double(value: Any) -> Any:
    """The same input in double precision."""
    return mapped(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, value)


def fake_features(batch: int, seed: int = 0) -> Features:
    """What a backbone with these stages, tokens 10 wide and a global vector 12 wide could give."""
    maps = {stage: randn(batch, info.channels, 6, 8, seed=seed + stage) for stage, info in STAGES.items()}
    return Features(maps, randn(batch, 13, 10, seed=seed + 5), randn(batch, 12, seed=seed + 6))
