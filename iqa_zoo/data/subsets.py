"""Nested subsets of the training part of a split, drawn by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError


@dataclass(frozen=True)
class Subset:
    """A split with a share ``fraction`` (0..1) of the training contents."""

    fraction: float
    split: Split


def draw_nested_subsets(data: RatedImages, split: Split, fractions: Sequence[float]) -> list[Subset]:
    """Draw a share of the training contents for each fraction; the other parts do not change.

    Contents are drawn in one random order that depends only on the split, so 20 % are a subset of 40 %. Shares are rounded to
    whole contents. Fraction 1 gives the split itself.

    Fractions are above 0 and at most 1, in any order.

    Raises:
        InputError: a fraction is outside its range or less than one content.

    >>> from pathlib import Path
    >>> from iqa_zoo.data.splits import make_splits
    >>> data = RatedImages("toy", tuple(Path(f"{i}.png") for i in range(10)), np.arange(10.0),
    ...                    score_range=(0, 10), licence="CC0", source="made up")
    >>> half, whole = draw_nested_subsets(data, make_splits(data, count=1)[0], [0.5, 1])
    >>> len(half.split.train), len(whole.split.train), set(half.split.train) <= set(whole.split.train)
    (4, 8, True)
    """
    contents = sorted({data.contents[i] for i in split.train})
    drawn = np.random.default_rng(int(split.id, 16)).permutation(contents)
    subsets = []
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise InputError(f"{data.name}: a fraction is above 0 and at most 1, got {fraction:g}")
        count = round(fraction * len(contents))
        if not count:
            raise InputError(
                f"{data.name}: {fraction:g} of {len(contents)} training contents is no content; take a larger fraction"
            )
        if count == len(contents):
            subsets.append(Subset(fraction, split))
            continue
        chosen = set(drawn[:count].tolist())
        train = np.array([i for i in split.train if data.contents[i] in chosen], dtype=np.int64)
        subsets.append(Subset(fraction, _replace_training_part(data, split, train)))
    return subsets


def _replace_training_part(data: RatedImages, split: Split, train: NDArray[np.int64]) -> Split:
    """Replace the training part; the id is a hash of the split and the part."""
    names = sorted(data.names[i] for i in train)
    digest = hashlib.sha256(json.dumps([split.id, names]).encode()).hexdigest()
    return replace(split, train=train, id=digest[:12])
