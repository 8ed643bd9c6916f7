"""How the checkpoints of a released system become models of the zoo, and what importers share."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from iqa_zoo.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class ReleasedSystem:
    """How a system's own checkpoints become a model of the zoo.

    A plugin offers one through the entry-point group ``iqa_zoo.released``: a function without arguments that returns it.

    Args:
        config: the config, from the shape of every tensor by its released name; a KeyError says which is missing.
        name: a parameter of our model -> its released name.
        left_out: whether a released tensor is not needed (a constant that is computed, a classifier); by default none is.
        prepared: what is done to the released state dict first (split a fused matrix, say); by default nothing.
    """

    config: Callable[[Shapes], dict[str, Any]]
    name: Callable[[str], str]
    left_out: Callable[[str], bool] = lambda name: False
    prepared: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda state: state


def with_batch_counts(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with a count of batches for every batch norm, which old checkpoints lack and evaluation does not read.

    >>> with_batch_counts({"bn.running_mean": torch.ones(2)})
    {'bn.num_batches_tracked': tensor(0), 'bn.running_mean': tensor([1., 1.])}
    """
    norms = (name.removesuffix("running_mean") for name in state if name.endswith("running_mean"))
    return {**{f"{norm}num_batches_tracked": torch.zeros((), dtype=torch.long) for norm in norms}, **state}


def count_numbered(shapes: Shapes, pattern: str) -> int:
    """How many consecutive things a pattern numbers: its highest number plus one."""
    numbers = [int(found[1]) for name in shapes if (found := re.match(pattern, name))]
    if not numbers:
        raise KeyError(pattern.replace("\\", "").replace("(d+)", "*"))
    return max(numbers) + 1


def read_shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor from which sizes are read."""
    if len(shapes[name]) != dimensions:
        raise CheckpointError(f"{name} is {shapes[name]}, expected {dimensions} dimensions")
    return shapes[name]


def rename(name: str, table: Mapping[str, str]) -> str:
    for ours, theirs in table.items():
        renamed, hits = re.subn(f"^{ours}", theirs, name)
        if hits:
            return renamed
    raise AssertionError(f"no released name for {name}")
