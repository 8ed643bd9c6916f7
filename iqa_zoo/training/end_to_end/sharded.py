"""Shard weights, gradients and optimizer state over the processes (torch's ``fully_shard``).

Files on disk are not sharded: :mod:`iqa_zoo.training.shards` gathers tensors to write and shards tensors that are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from iqa_zoo.training.shards import get_local

SMALLEST = 100_000  # parameters of a block that is gathered on its own


def shard(module: nn.Module, device: torch.device) -> None:
    """Shard the parameters of a module over all processes, in place; each is gathered while it computes.

    The blocks of its sequences and lists are gathered one after the other, the rest together. Parameters without
    dimensions cannot be sharded: every process keeps them, and :class:`ShardedOptimWrapper` averages their gradients.
    A parameter must get a gradient in all processes or in none.

    Args:
        module: on the device; every process gets the weights of the first one.
        device: of this process.
    """
    for parameter in module.parameters():
        parameter.data = parameter.data.contiguous()  # no other layout can be sharded
    for tensor in (*module.parameters(), *module.buffers()):
        distributed.broadcast(tensor.detach(), 0)
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    scalars = {parameter for parameter in module.parameters() if not parameter.ndim}
    for block in find_blocks(module):
        block.register_forward_hook(_copy_view)
        fully_shard(block, mesh=mesh, ignored_params=scalars)
    fully_shard(module, mesh=mesh, ignored_params=scalars)


def _copy_view(block: nn.Module, inputs: Any, output: Any) -> Any:
    """Return the output, copied if it is a view: a view changed in place loses the hook that gathers the block's weights."""
    return output.clone() if isinstance(output, Tensor) and output._is_view() else output


def find_blocks(module: nn.Module) -> list[nn.Module]:
    """Return the blocks to gather one at a time, inner ones first: each has ``SMALLEST`` parameters or more besides inner ones.

    >>> stages = nn.Sequential(nn.Sequential(nn.Linear(400, 400), nn.Linear(400, 400)), nn.Linear(400, 1))
    >>> [block.weight.shape[0] for block in find_blocks(stages)]
    [400, 400]
    """
    found: list[nn.Module] = []
    taken: set[nn.Parameter] = set()
    elements = [
        element
        for parent in module.modules()
        if isinstance(parent, nn.ModuleList | nn.Sequential)
        for element in parent
        if not isinstance(element, nn.ModuleList | nn.ModuleDict)  # these are never called
    ]
    for element in reversed(list(dict.fromkeys(elements))):  # parents come before what is in them
        own = {parameter for parameter in element.parameters() if parameter.ndim} - taken
        if sum(parameter.numel() for parameter in own) >= SMALLEST:
            found.append(element)
            taken |= own
    return found


class ShardedOptimWrapper(OptimWrapper):
    """mmengine's OptimWrapper with a gradient norm over all processes; gradients of unsharded parameters are averaged."""

    def step(self, **settings: Any) -> None:
        self._average([parameter for parameter in self._list_parameters() if not isinstance(parameter, DTensor)])
        super().step(**settings)

    def _list_parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _average(self, scalars: list[nn.Parameter]) -> None:
        if not scalars:
            return
        found = [torch.zeros_like(each) if each.grad is None else each.grad for each in scalars]
        used = [torch.full_like(each, float(each.grad is not None)) for each in scalars]
        sums = torch.stack([*found, *used]).detach()
        distributed.all_reduce(sums)
        for parameter, total, count in zip(scalars, *sums.chunk(2), strict=True):
            parameter.grad = total / distributed.get_world_size() if count else None

    def _clip_grad(self) -> None:
        """Scale all gradients so that their norm, over all processes, is ``max_norm`` at most."""
        gradients = [parameter.grad for parameter in self._list_parameters() if parameter.grad is not None]
        shards = [get_local(gradient) for gradient in gradients if isinstance(gradient, DTensor)]
        scalars = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
        squares = _sum_squares(shards, gradients[0].device)
        distributed.all_reduce(squares)
        norm = (squares + _sum_squares(scalars, squares.device)).sqrt()
        factor = (self.clip_grad_kwargs["max_norm"] / (norm + 1e-6)).clamp(max=1.0)  # as torch does
        for gradient in (*shards, *scalars):
            gradient.mul_(factor)
        self.message_hub.update_scalar("train/grad_norm", norm.item())


def _sum_squares(tensors: Iterable[Tensor], device: torch.device) -> Tensor:
    """Return the sum of the squares of all elements."""
    return torch.stack([torch.zeros((), device=device), *(tensor.float().square().sum() for tensor in tensors)]).sum()
