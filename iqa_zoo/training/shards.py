"""Tensors that are sharded over processes: get the local shard, gather the whole tensor, shard it again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    """Return whether a tensor is sharded. Does not import DTensor: before something else does, no tensor is sharded."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def get_local(tensor: Tensor) -> Tensor:
    """Return the shard of a tensor that this process holds, as a view."""
    tensor = tensor.detach()
    return tensor.to_local() if is_sharded(tensor) else tensor


def gather_whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return whole, detached tensors; all processes must call this together."""
    return {name: _gather(tensor.detach()) for name, tensor in tensors.items()}


def _gather(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor, sharded as another one is."""
    if not is_sharded(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def load_gathered(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a state dict of whole tensors into a module that may be sharded."""
    own = module.state_dict()
    module.load_state_dict({name: shard_like(tensor, own.get(name, tensor)) for name, tensor in tensors.items()})
