"""The moving average of a model's weights, for both trainers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from iqa_zoo.training.shards import get_local, shard_like


class MovingAverage:
    """An exponential moving average of a model's parameters; sharded where the model is.

    The first update counts alone. Buffers are copied, not averaged: the running statistics of a batch normalisation are
    averages already, and a counter has no mean. (torch's ``AveragedModel`` averages them with ``use_buffers=True`` and
    leaves them at their first value without.)

    Args:
        model: what is averaged.
        past: weight of the previous average per optimizer step, between 0 and 1.
        every: optimizer steps between two updates, as an update costs a pass over the weights. An update weighs the past
            by ``past ** every``. The last step of an epoch always updates, with the same weight.

    Attributes:
        tensors: the average, by the names of the model's state dict.
        updates: how many there were.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = MovingAverage(model, past=0.5, every=2)
    >>> for step, value in enumerate((9.0, 1.0, 9.0, 5.0, 9.0), start=1):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.step(model, step, of=6)
    >>> average.updates, average.tensors["weight"].item()  # 0.25 * 1 + 0.75 * 5
    (2, 4.0)
    """

    def __init__(self, model: nn.Module, past: float, every: int = 1):
        self.past, self.every, self.updates = past, every, 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def step(self, model: nn.Module, step: int, of: int) -> None:
        """Update after a step of an epoch, counted from 1, if it is one of ``every`` or the last ``of`` the epoch."""
        if step % self.every == 0 or step == of:
            self.update(model)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        averages, values = [], []
        for name, tensor in model.state_dict().items():
            average, now = get_local(self.tensors[name]), get_local(tensor)
            if self.updates and name in parameters:
                averages.append(average)
                values.append(now)
            else:
                average.copy_(now)
        if averages:
            torch._foreach_lerp_(averages, values, 1 - self.past**self.every)  # one call for all of them
        self.updates += 1

    def state_dict(self) -> dict[str, Tensor]:
        named = {f"module.{name}": tensor for name, tensor in self.tensors.items()}
        return {"steps": torch.tensor(self.updates), **named}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what :meth:`state_dict` returned, gathered."""
        self.updates = int(tensors["steps"])
        for name, average in self.tensors.items():
            get_local(average).copy_(get_local(shard_like(tensors[f"module.{name}"], average)))
