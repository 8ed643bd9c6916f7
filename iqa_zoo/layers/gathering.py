"""The whole batch of several processes, for losses that are no mean over its samples."""

import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather

from iqa_zoo.errors import InputError


def over_processes(value_B: Tensor) -> Tensor:
    """The rows of all processes, with their gradient; the tensor itself in one process or without gradients.

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


def gather_batch(loss: str, score_B: Tensor, mos_B: Tensor) -> tuple[Tensor, Tensor]:
    """The scores and labels of all processes, for a loss that compares images of a batch.

    Raises:
        InputError: fewer than two images; names the loss.
    """
    score_B, mos_B = over_processes(score_B), over_processes(mos_B)
    if len(mos_B) < 2:
        raise InputError(
            f"losses {loss!r} needs at least two images in a batch; set batch_size >= 2 or drop the last one"
        )
    return score_B, mos_B
