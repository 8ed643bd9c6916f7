"""Single precision within autocast, for what needs its digits: scores, and the choice of experts."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast on the device of a tensor.

    >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(torch.ones(1)):
    ...     (torch.ones(1, 2) @ torch.ones(2, 1)).dtype
    torch.float32
    """
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
