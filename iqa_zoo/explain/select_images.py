"""The images of a dataset by which a trained model is explained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.choose_split import load_split
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.inference.own_data import find_changes
from iqa_zoo.inference.run import TrainedRun


@dataclass(frozen=True, eq=False)
class SelectedImages:
    """Images: which part of the dataset they are, their indices, and warnings about them."""

    part: str
    indices: NDArray[np.int64]
    warnings: list[str]


def select_images(trained: TrainedRun, data: RatedImages, most: int | None = None) -> SelectedImages:
    """Select the test part of the training's own split, or all images of another dataset.

    At most ``most`` images are selected, at random.

    Raises:
        InputError: an image cannot be read.
    """
    part, indices, warnings = "all images", np.arange(len(data)), []
    if trained.data.name == data.name:
        try:
            own = load_split(trained.folder / "split.json", data)
        except InputError as error:
            warnings.append(f"All images are shown, those that were trained on too: {error}")
        else:
            part, indices = "test part", own.test
            warnings += find_changes(trained, data, own, indices)
    if most is not None and most < len(indices):
        indices = np.sort(np.random.default_rng(0).permutation(indices)[:most])
        part = f"some of the {part}" if part == "test part" else "some images"
    return SelectedImages(part, indices, warnings)
