"""Sine positions on a grid, as DETR gives them to the cells of a feature map."""

from __future__ import annotations

from math import isqrt, pi

import torch
from torch import Tensor

from iqa_zoo.errors import PartError


def sine_positions(rows: int, columns: int, dim: int) -> Tensor:
    """Return position_ND of rows x columns cells, row by row: half the channels say the row, half the column.

    Sines and cosines in turn of the cell's number, 1 to the last, scaled to 2 pi, at wavelengths from 1 to 10000 times
    (DETR: Carion et al., ECCV 2020, with normalised positions). Nothing is learned.

    Raises:
        PartError: ``dim`` is not divisible by four.

    >>> sine_positions(2, 3, 8).shape
    torch.Size([6, 8])
    """
    if dim % 4:
        raise PartError(f"dim={dim} is not divisible by 4; sine positions need a sine and a cosine of row and column")
    half = dim // 2
    wavelength_F = 10000 ** (2 * (torch.arange(half) // 2) / half)

    def along(cells: int) -> Tensor:
        angle_LF = (2 * pi * torch.arange(1, cells + 1) / (cells + 1e-6))[:, None] / wavelength_F
        return torch.stack((angle_LF[:, 0::2].sin(), angle_LF[:, 1::2].cos()), dim=2).flatten(1)

    row_RF, column_CF = along(rows), along(columns)
    return torch.cat((row_RF.repeat_interleave(columns, 0), column_CF.repeat(rows, 1)), dim=1)


def squarest(cells: int) -> tuple[int, int]:
    """The rows and columns of the grid closest to a square that has so many cells.

    >>> squarest(49), squarest(6), squarest(7)
    ((7, 7), (2, 3), (1, 7))
    """
    rows = next(n for n in range(isqrt(cells), 0, -1) if cells % n == 0)
    return rows, cells // rows
