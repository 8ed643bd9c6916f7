"""Splits of a training part: what a tuning trains on and what it judges by. The test part is in neither."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError

SHARE = 0.2  # of the training contents that validate where the split has no validation part
SMALLEST = 5  # images of a validation part


def make_inner_split(data: RatedImages, split: Split, groups: Sequence[str], seed: int) -> Split:
    """Return a split of a training part whose validation part is its test part too: a trial cannot read the test part.

    Args:
        data: the dataset.
        split: of the study. Its validation part is used where it has one; else whole contents of the training part are drawn.
        groups: content of each image.
        seed: of the draw.

    Raises:
        InputError: the validation part has too few images.
    """
    train, validation = split.train, split.validation
    if not len(validation):
        contents = np.array(sorted({groups[i] for i in train}))
        held_out = np.random.default_rng(seed).permutation(contents)[: round(SHARE * len(contents))]
        chosen = np.isin([groups[i] for i in train], held_out)
        train, validation = train[~chosen], train[chosen]
    if len(validation) < SMALLEST or not len(train):
        raise InputError(
            f"{data.name}: a validation part of {len(validation)} images inside the training part is too small to tune by; "
            f"give at least {SMALLEST} with --validation-fraction, use more images, or leave --tune out"
        )
    return Split(train, validation, validation, f"{split.id}-tuning")
