"""torch's own counter, the independent witness of every count."""

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from iqa_zoo.budgets.count import compute_constants


def count_by_torch(module: nn.Module, *inputs: object) -> FlopCounterMode:
    """Call a module in eval mode under torch's counter.

    What depends on no image is computed before. Attention is taken apart into its two matrix products: before 2.15 torch
    counts its fused kernels for CPUs as nothing.
    """
    module.eval()
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        for (
            parameter
        ) in trained:  # the counter cannot do without gradients, and constants are kept where there are none
            parameter.requires_grad_(False)
        compute_constants(module)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            module(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for parameter in trained:
            parameter.requires_grad_(True)
    return counter


def macs_by_torch(module: nn.Module, *inputs: object) -> float:
    """The multiply-accumulates of ``module(*inputs)`` in eval mode; torch counts two operations each.

    >>> macs_by_torch(nn.Linear(4, 8), torch.zeros(3, 4))
    96.0
    """
    return count_by_torch(module, *inputs).get_total_flops() / 2
