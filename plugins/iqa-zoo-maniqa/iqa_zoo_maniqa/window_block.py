"""A Swin transformer block on a row of queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo_maniqa.windows import Windows


class WindowAttention(nn.Module):
    """Self-attention within windows, with a learned bias for every relative position (Swin, ICCV 2021)."""

    index: Tensor
    apart: Tensor | None

    def __init__(self, dim: int, num_heads: int, windows: Windows):
        super().__init__()
        self.num_heads, self.windows = num_heads, windows
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * windows.size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.register_buffer("index", _relative_index(windows.size), persistent=False)
        self.register_buffer("apart", windows.apart(), persistent=False)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        windows_WLD = self.windows.split(tokens_BND)
        q, k, v = self.qkv(windows_WLD).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        bias_HLL = self.relative_position_bias_table[self.index].permute(2, 0, 1)
        mask = bias_HLL[None].to(q.dtype)
        if self.apart is not None:
            mask = mask.masked_fill(self.apart[:, None], -torch.inf).repeat(tokens_BND.shape[0], 1, 1, 1)
        mixed_WLD = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        return self.windows.join(self.proj(mixed_WLD))


class WindowBlock(nn.Module):
    """x + attention(LN(x)), then x + MLP(LN(x)): the Swin block, with stochastic depth."""

    def __init__(self, dim: int, num_heads: int, hidden: int, windows: Windows, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads, windows)
        self.norm2 = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.drop_path = drop_path

    def forward(self, tokens_BND: Tensor) -> Tensor:
        tokens_BND = tokens_BND + self._kept(self.attn(self.norm1(tokens_BND)))
        return tokens_BND + self._kept(self.fc2(F.gelu(self.fc1(self.norm2(tokens_BND)))))

    def _kept(self, added_BND: Tensor) -> Tensor:
        """What is added, left out for some images in training and larger for the others."""
        if not self.training or not self.drop_path:
            return added_BND
        keep = 1 - self.drop_path
        return added_BND * added_BND.new_empty(len(added_BND), 1, 1).bernoulli_(keep) / keep


def _relative_index(size: int) -> Tensor:
    """For two cells of a window, the row of the bias table that belongs to the way from one to the other."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    down = row.flatten()[:, None] - row.flatten()
    right = column.flatten()[:, None] - column.flatten()
    return (down + size - 1) * (2 * size - 1) + right + size - 1
