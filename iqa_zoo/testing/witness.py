"""torch's own counter, the independent witness of every count."""

from __future__ import annotations

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_by_torch(module: nn.Module, *inputs: object) -> FlopCounterMode:
    """Call a module in eval mode under torch's counter.

    Attention is taken apart into its two matrix products: before 2.15 torch counts its fused kernel for CPUs as nothing.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module.eval()(*inputs)
    return counter


def macs_by_torch(module: nn.Module, *inputs: object) -> float:
    """The multiply-accumulates of ``module(*inputs)`` in eval mode; torch counts two operations each.

    >>> import torch
    >>> macs_by_torch(nn.Linear(4, 8), torch.zeros(3, 4))
    96.0
    """
    return count_by_torch(module, *inputs).get_total_flops() / 2
