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
