"""The one split that a training or an evaluation uses: of a file, of the release, or made by content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iqa_zoo.data.look_alikes import LookAlikes, group_look_alikes
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import format_some
from iqa_zoo.data.splits import Split, check_leaks, load_official_split, load_splits, make_splits
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Notify

VALIDATION_FRACTION = 0.1


@dataclass(frozen=True)
class SplitChoice:
    """Which split to use.

    Attributes:
        file: that ``iqa-zoo splits`` wrote; the other values but ``number`` do not count then.
        number: which split of the file or of those that are made, counted from 1.
        seed: of the splits that are made.
        official: use the split of the release.
        validation_fraction: share of the training contents that validate.
        compare_images: keep images that look the same in one part.
    """

    file: Path | None = None
    number: int = 1
    seed: int = 0
    official: bool = False
    validation_fraction: float = VALIDATION_FRACTION
    compare_images: bool = True


def load_split(path: Path, data: RatedImages, number: int = 1) -> Split:
    """Load split ``number`` of a file, counted from 1 as ``iqa-zoo splits`` prints them.

    Raises:
        InputError: not a split file of this data, or it has no such split.
    """
    splits = load_splits(path, data)
    if number > len(splits):
        raise InputError(f"{path} has {len(splits)} splits, from 1 to {len(splits)}; there is no split {number}")
    return splits[number - 1]


def choose_split(
    data: RatedImages,
    choice: SplitChoice,
    *,
    compare: Callable[[RatedImages], LookAlikes] = group_look_alikes,
    notify: Notify = lambda line: None,
) -> Split:
    """Return the split that a choice names.

    ``compare`` finds the images that look the same; ``notify`` is called with a line about them.

    Raises:
        InputError: there is no such split, or the official split leaks.
    """
    if choice.file is not None:
        return load_split(choice.file, data, choice.number)
    alike = compare(data) if choice.compare_images else None
    groups = alike.groups if alike else None
    if choice.official:
        split = load_official_split(data, choice.validation_fraction, choice.seed, groups)
        if leaks := check_leaks(data, split):  # of the release or of a user's table
            raise InputError(f"{data.name}: the official split leaks: {format_some(leaks)}")
        for leak in check_leaks(data, split, alike.pairs if alike else ()):
            notify(f"warning: the official split: {leak}")
        return split
    if alike and alike.pairs:
        notify(f"{data.name}: {alike.describe()}")
    fraction = choice.validation_fraction
    return make_splits(data, choice.number, choice.seed, validation_fraction=fraction, groups=groups)[-1]
