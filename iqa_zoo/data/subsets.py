"""Smaller training parts of a split, each inside the next, drawn by content."""

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
    """A share of the training contents of a split: ``split`` trains on it alone; ``fraction`` as asked for, 0..1."""

    fraction: float
    split: Split


def nested_subsets(data: RatedImages, split: Split, fractions: Sequence[float]) -> list[Subset]:
    """Return the split with only a share of its training contents, for each fraction; the other parts stay.

    The contents are drawn in one random order, which only the split decides: the 20 % are among the 40 %, and everybody
    who has the split draws the same. A share is rounded to whole contents. At 1 it is the split itself, with its id.

    Args:
        data: the dataset; drawn by ``data.contents``.
        split: of that dataset.
        fractions: each above 0 and at most 1, in any order; those of equal size are kept apart.

    Raises:
        InputError: a fraction outside its range, or one that is no whole content.

    >>> from pathlib import Path
    >>> from iqa_zoo.data.splits import make_splits
    >>> data = RatedImages("toy", tuple(Path(f"{i}.png") for i in range(10)), np.arange(10.0),
    ...                    score_range=(0, 10), licence="CC0", source="made up")
    >>> half, whole = nested_subsets(data, make_splits(data, count=1)[0], [0.5, 1])
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
        subsets.append(Subset(fraction, _trained_on(data, split, train)))
    return subsets


def _trained_on(data: RatedImages, split: Split, train: NDArray[np.int64]) -> Split:
    """The split with another training part, and an id that says which of which split."""
    names = sorted(data.names[i] for i in train)
    digest = hashlib.sha256(json.dumps([split.id, names]).encode()).hexdigest()
    return replace(split, train=train, id=digest[:12])
