"""MANIQA's scale-Swin block: windowed attention whose stages are added at a fixed scale."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from iqa_zoo.layers.arguments import check_num_heads
from iqa_zoo.values import Count, Depth, Grid, Range, Scale, Share, Size, checked
from iqa_zoo_maniqa.window_block import WindowBlock
from iqa_zoo_maniqa.windows import Windows, squarest


class ScaleSwin(nn.Module):
    """Stages of Swin blocks and a 3x3 convolution on the grid of queries, each added at a scale: x + scale * stage(x).

    The scale Swin transformer block of MANIQA (Yang et al., CVPRW 2022, https://arxiv.org/abs/2204.08958): a stage is
    ``blocks`` Swin blocks (Liu et al., ICCV 2021), every second one with shifted windows, then a 3x3 convolution and a
    ReLU. The grid is the squarest that N queries fill, row by row.

    Differs from the released code in that a grid which the window does not divide is padded, with the padding hidden
    from attention. The released code also holds a convolution that is never run; ``idle=True`` keeps its parameters,
    frozen, so that they count and a released checkpoint finds its place.

    Args:
        stages: how many stages.
        blocks: Swin blocks in each.
        window: cells a side of a window.
        num_heads: attention heads; divides D.
        hidden: width of the blocks' hidden layer.
        scale: of what a stage adds.
        dropout: on the input.
        drop_path: stochastic depth of the last block; the others' rise to it from 0.
        idle: hold the released code's unused 3x3 convolution.

    Raises:
        PartError: ``num_heads`` does not divide ``dim``.

    >>> ScaleSwin(dim=8, num_queries=16, hidden=8)(torch.zeros(2, 16, 8), None).shape
    torch.Size([2, 16, 8])
    """

    knobs = ("hidden",)
    examples = ({"hidden": 8}, {"hidden": 8, "window": 2, "stages": 1, "idle": True})

    @checked
    def __init__(
        self,
        *,
        dim: int,
        num_queries: int,
        stages: Depth = 2,
        blocks: Depth = 2,
        window: Grid = 4,
        num_heads: Count = 4,
        hidden: Size = 768,
        scale: Scale = 0.8,
        dropout: Share = 0.1,
        drop_path: Annotated[float, Range(0, 0.99)] = 0.1,
        idle: bool = False,
    ):
        super().__init__()
        check_num_heads(num_heads, dim)
        self.scale = scale
        self.drop = nn.Dropout(dropout)
        rows, columns = squarest(num_queries)
        moved = window // 2 if min(rows, columns) > window else 0
        rates = torch.linspace(0, drop_path, stages * blocks, device="cpu").tolist()
        made = [
            WindowBlock(dim, num_heads, hidden, Windows(rows, columns, window, moved * (i % blocks % 2)), rate)
            for i, rate in enumerate(rates)
        ]
        self.layers = nn.ModuleList(
            _Stage(dim, made[i * blocks : (i + 1) * blocks], rows, columns) for i in range(stages)
        )
        if idle:
            self.downsample = nn.Conv2d(dim, dim, 3, 2, 1).requires_grad_(False)

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None = None) -> Tensor:
        queries_BND = self.drop(queries_BND)
        for layer in self.layers:
            queries_BND = queries_BND + self.scale * layer(queries_BND)
        return queries_BND


class _Stage(nn.Module):
    def __init__(self, dim: int, blocks: list[WindowBlock], rows: int, columns: int):
        super().__init__()
        self.rows, self.columns = rows, columns
        self.blocks = nn.ModuleList(blocks)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, queries_BND: Tensor) -> Tensor:
        for block in self.blocks:
            queries_BND = block(queries_BND)
        map_BCHW = queries_BND.mT.unflatten(2, (self.rows, self.columns))
        return self.conv(map_BCHW).relu().flatten(2).mT
