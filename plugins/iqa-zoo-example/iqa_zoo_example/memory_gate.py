"""An interaction that sees only the mean of the memory: the control for cross-attention."""

from __future__ import annotations

from torch import Tensor, nn

from iqa_zoo.errors import PartError
from iqa_zoo.values import Size, checked


class MemoryGate(nn.Module):
    """Gate the channels of the queries by the mean of the memory: x + sigmoid(W2 relu(W1 mean(memory))) * W LN(x).

    A squeeze-and-excitation block (Hu et al., CVPR 2018, https://arxiv.org/abs/1709.01507) whose squeeze is the
    memory and whose excitation scales the queries. All queries get the same gate and no query looks at a place, so
    in the place of ``cross_attention`` it tells what attention adds to the mean of the memory.

    Args:
        reduction: the gate's hidden layer is D / reduction wide; divides D.

    Raises:
        PartError: ``reduction`` does not divide ``dim``.

    >>> import torch
    >>> MemoryGate(dim=8, reduction=2)(torch.zeros(2, 6, 8), torch.zeros(2, 36, 8)).shape
    torch.Size([2, 6, 8])
    """

    needs_memory = True

    @checked
    def __init__(self, *, dim: int, reduction: Size = 4):
        super().__init__()
        if dim % reduction:
            fits = [divisor for divisor in range(1, dim + 1) if dim % divisor == 0]
            near = min(fits, key=lambda divisor: abs(divisor - reduction))
            raise PartError(f"reduction={reduction} does not divide dim={dim}; the nearest that does is {near}")
        self.norm = nn.LayerNorm(dim)
        self.proj = nn.Linear(dim, dim)
        self.squeeze = nn.Linear(dim, dim // reduction)
        self.excite = nn.Linear(dim // reduction, dim)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor:
        gate_BD = self.excite(self.squeeze(memory_BLD.mean(1)).relu()).sigmoid()
        return queries_BND + gate_BD[:, None] * self.proj(self.norm(queries_BND))
