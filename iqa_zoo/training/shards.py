"""Tensors whose parts the processes of a sharded training share out: this process's part, the whole, and back."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def get_local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, as a view."""
    tensor = tensor.detach()
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gather_whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with every part of each, detached; all processes must ask for it together."""
    return {name: _gathered(tensor.detach()) for name, tensor in tensors.items()}


def _gathered(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, shared out as another one is."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def load_gathered(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a state dict of whole tensors into a module that may be sharded."""
    own = module.state_dict()
    module.load_state_dict({name: shard_like(tensor, own.get(name, tensor)) for name, tensor in tensors.items()})
