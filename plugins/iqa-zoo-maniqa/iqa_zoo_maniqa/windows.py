"""How a grid of tokens falls into windows, shifted or not."""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


def squarest(count: int) -> tuple[int, int]:
    """Rows and columns of the grid closest to a square that has this many cells.

    >>> squarest(784), squarest(6), squarest(7)
    ((28, 28), (2, 3), (1, 7))
    """
    rows = next(rows for rows in range(isqrt(count), 0, -1) if count % rows == 0)
    return rows, count // rows


class Windows(NamedTuple):
    """A grid of rows x columns in windows of ``size`` a side, moved by ``shift``; cells are padded to whole windows."""

    rows: int
    columns: int
    size: int
    shift: int

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns that are added to make whole windows."""
        return -self.rows % self.size, -self.columns % self.size

    def split(self, tokens_BND: Tensor) -> Tensor:
        """BND -> (B * windows, size^2, D)."""
        down, right = self.padding
        map_BHWD = F.pad(tokens_BND.unflatten(1, (self.rows, self.columns)), (0, 0, 0, right, 0, down))
        if self.shift:
            map_BHWD = map_BHWD.roll((-self.shift, -self.shift), (1, 2))
        cells = map_BHWD.unflatten(2, (-1, self.size)).unflatten(1, (-1, self.size))
        return cells.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def join(self, windows: Tensor) -> Tensor:
        """(B * windows, size^2, D) -> BND."""
        down, right = self.padding
        height, width = (self.rows + down) // self.size, (self.columns + right) // self.size
        cells = windows.unflatten(1, (self.size, self.size)).unflatten(0, (-1, height, width))
        map_BHWD = cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        if self.shift:
            map_BHWD = map_BHWD.roll((self.shift, self.shift), (1, 2))
        return map_BHWD[:, : self.rows, : self.columns].flatten(1, 2)

    def apart(self) -> Tensor | None:
        """Which cells of a window may not see each other, (windows, size^2, size^2); None where all may.

        Those that a shift brought together from opposite edges, and padding with anything else.
        """
        down, right = self.padding
        if not (self.shift or down or right):
            return None
        height, width = self.rows + down, self.columns + right
        region_HW = _bands(height, self.size, self.shift)[:, None] * 3 + _bands(width, self.size, self.shift)
        padded_HW = F.pad(torch.zeros(self.rows, self.columns), (0, right, 0, down), value=9.0)
        if self.shift:
            padded_HW = padded_HW.roll((-self.shift, -self.shift), (0, 1))
        plain = Windows(height, width, self.size, 0)
        region = plain.split((region_HW + padded_HW).reshape(1, -1, 1)).squeeze(-1)
        return region[:, :, None] != region[:, None, :]


def _bands(length: int, size: int, shift: int) -> Tensor:
    """Which of three bands a row of a shifted grid lies in: those that stayed together, and the two that met."""
    bands = torch.zeros(length)
    if shift:
        bands[-size:-shift] = 1
        bands[-shift:] = 2
    return bands
