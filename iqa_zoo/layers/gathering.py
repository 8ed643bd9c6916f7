"""A batch that several processes share, for losses that are no mean over its samples."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather


def over_processes(value_B: Tensor) -> Tensor:
    """The rows of all processes, with their gradient; the tensor itself in one process or where no gradient is asked for.

    Every process then computes the same loss of the whole batch. A row's gradient is the sum of what each process's loss
    says of it, and the mean of the parameters' gradients that DistributedDataParallel takes divides by as many.

    Args:
        value_B: as many rows in every process.

    >>> over_processes(torch.ones(2))
    tensor([1., 1.])
    """
    if not (distributed.is_available() and distributed.is_initialized() and torch.is_grad_enabled()):
        return value_B
    if distributed.get_world_size() == 1:
        return value_B
    gathered: Tensor = torch.cat(all_gather(value_B.contiguous()))
    return gathered
