"""The positions of the crops of an image, computed inside a graph from the size of the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def compute_boxes(height: int, width: int, size: int, count: int) -> Tensor:
    """Compute what :func:`iqa_zoo.data.crops.compute_grid_boxes` does with operators of a graph: boxes_V2 of (top, left).

    Args:
        height, width: of the image, in pixels: symbols where a graph is recorded.
        size: side of a crop in pixels.
        count: number of crops.

    >>> compute_boxes(300, 500, size=200, count=5).tolist()
    [[0, 0], [0, 300], [50, 150], [100, 0], [100, 300]]
    """
    sides_2 = torch.stack([torch.scalar_tensor(side, dtype=torch.int64) for side in (height, width)])
    room_2 = sides_2.sort().values - size  # of the short side and the long side
    best: tuple[Tensor, ...] | None = None
    for rows in range(1, math.isqrt(count - 1) + 2):
        if rows % 2 == 0 and count % 2:
            continue
        boxes_V2 = _place_rows(room_2, rows, count)
        repeated = (rows - 1 - room_2[0]).clamp(min=0) + (-(-count // rows) - 1 - room_2[1]).clamp(min=0)
        covered = _count_covered_pixels(boxes_V2, size)
        short, long = (room_2 + 1).double()
        uneven = (rows**2 * long / (count * short)).log().abs()
        if best is None:
            best = boxes_V2, repeated, covered, uneven
            continue
        more = (covered > best[2]) | ((covered == best[2]) & (uneven < best[3]))
        better = (repeated < best[1]) | ((repeated == best[1]) & more)
        pairs = zip((boxes_V2, repeated, covered, uneven), best, strict=True)
        best = tuple(torch.where(better, new, old) for new, old in pairs)
    assert best is not None
    return torch.where(sides_2[0] > sides_2[1], best[0].flip(1), best[0])


def _place_rows(room_2: Tensor, rows: int, count: int) -> Tensor:
    """Place crops in rows: boxes_V2."""
    columns, more = divmod(count, rows)
    lengths = [columns] * rows
    if more % 2:
        lengths[rows // 2] += 1
    for row in range(more // 2):
        lengths[row] += 1
        lengths[-1 - row] += 1
    rows_V = torch.tensor([row for row, length in enumerate(lengths) for _ in range(length)])
    tops_V = _space_evenly(room_2[0], rows)[rows_V]
    lefts_V = torch.cat([_space_evenly(room_2[1], length) for length in lengths])
    return torch.stack([tops_V, lefts_V], 1)


def _space_evenly(room: Tensor, count: int) -> Tensor:
    """Space ``count`` integers from 0 to ``room`` evenly and symmetrically; a single one is in the middle."""
    steps = max(count - 1, 1)
    half = (2 * room * torch.arange(count // 2) + steps) // (2 * steps)  # rounded, a half upwards
    middle = [(room // 2)[None]] if count % 2 else []
    return torch.cat([half, *middle, (room - half).flip(0)])


def _count_covered_pixels(boxes_V2: Tensor, size: int) -> Tensor:
    """Count the pixels in at least one of the boxes: strip by strip between their edges, each up to the next box."""
    tops_V, lefts_V = boxes_V2.unbind(1)
    edges_E = torch.cat([tops_V, tops_V + size]).sort().values
    upper_S, lower_S = edges_E[:-1], edges_E[1:]
    inside_SV = (tops_V <= upper_S[:, None]) & (upper_S[:, None] < tops_V + size)
    distance_VV = lefts_V[None] - lefts_V[:, None]
    order_V = torch.arange(len(lefts_V))
    follows_VV = (distance_VV > 0) | ((distance_VV == 0) & (order_V[None] > order_V[:, None]))
    next_SVV = torch.where(inside_SV[:, None] & follows_VV, distance_VV, size)
    across_S = (next_SVV.amin(2).clamp(max=size) * inside_SV).sum(1)
    return ((lower_S - upper_S) * across_S).sum()
