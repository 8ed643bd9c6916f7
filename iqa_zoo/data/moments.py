"""Groups of photographs of one moment: those that look alike, and those that one camera took within seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from iqa_zoo.data.capture import Capture
from iqa_zoo.data.duplicates import find_near_duplicates

SECONDS = 3.0  # between two photographs of one moment


def group_moments(
    hashes_IB: NDArray[np.bool_], captures: Sequence[Capture], seconds: float = SECONDS
) -> list[list[int]]:
    """Group photographs, by index: each group in the given order, groups by their first photograph.

    Two photographs are linked where their perceptual hashes differ in few bits (:mod:`iqa_zoo.data.duplicates`), or where one camera
    took them at most ``seconds`` apart. Linked photographs are in one group, over others as well: a burst is one group however long.

    Args:
        hashes_IB: 256 bits each.
        captures: when and by which camera each was taken.
        seconds: 0 for look-alikes only.

    >>> from datetime import datetime
    >>> far_IB = np.eye(4, 256, dtype=bool).repeat(2, 0)[::2] ^ np.tri(4, 256, dtype=bool).repeat(64, 1)[:, :256]
    >>> times = [Capture(datetime(2024, 1, 1, 12, 0, second), "A") for second in (0, 30, 2, 4)]
    >>> group_moments(far_IB, times, 2)
    [[0, 2, 3], [1]]
    """
    pairs = find_near_duplicates(hashes_IB)
    if seconds > 0:
        pairs += _find_bursts(captures, seconds)
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(captures), len(captures)))
    _, components = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, component in enumerate(components.tolist()):
        groups[component].append(index)
    return list(groups.values())


def _find_bursts(captures: Sequence[Capture], seconds: float) -> list[tuple[int, int]]:
    cameras: dict[str, list[int]] = defaultdict(list)
    for index, capture in enumerate(captures):
        if capture.time is not None:
            cameras[capture.camera].append(index)
    pairs = []
    for taken in cameras.values():
        times = {index: time for index in taken if (time := captures[index].time) is not None}
        ordered = sorted(times, key=times.__getitem__)
        pairs += [(a, b) for a, b in pairwise(ordered) if (times[b] - times[a]).total_seconds() <= seconds]
    return pairs
