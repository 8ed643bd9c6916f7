"""Check that a dataset is the one that a run was trained on, by its images and labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import identify_images, identify_labels
from iqa_zoo.inference.run import TrainedRun
from iqa_zoo.training.run_folder import RunFolder


def find_changes(trained: TrainedRun, data: RatedImages, own: Split, indices: NDArray[np.int64]) -> list[str]:
    """Return one line for each change of a dataset since the run was trained on it.

    Args:
        trained: the run.
        data: a dataset with the name of the one that the run was trained on.
        own: the split of the training, in this dataset.
        indices: the images to use; only the parts of the split that contain them are read.

    Raises:
        InputError: an image cannot be read.
    """
    noted = RunFolder(trained.folder).read("run")["data"]
    if "test_images_hash" not in noted:  # of an older run
        return []
    parts = {
        "test part": (own.test, noted["test_images_hash"]),
        "training and validation parts": (np.concatenate([own.train, own.validation]), noted["images_hash"]),
    }
    changed = [
        f"the images of the {part}"
        for part, (members, before) in parts.items()
        if np.isin(indices, members).any() and identify_images(data, members) != before
    ]
    if identify_labels(data) != noted["labels_hash"]:
        changed.append("the labels")
    return [
        f"{what} of {data.name} are not those of the training, or in another order; if this is another dataset, give it "
        "another name (for a table: --option name=NAME)"
        for what in changed
    ]


def find_overlap(trained: TrainedRun, data: RatedImages, own: Split | None, indices: NDArray[np.int64]) -> list[str]:
    """Return which of some images the training used or has changed since, a line each.

    Args:
        trained: the run.
        data: the dataset.
        own: the split of the training, in this dataset; None where this is another one.
        indices: the images that are used.

    Raises:
        InputError: an image cannot be read.
    """
    if own is None:
        return []
    notes = find_changes(trained, data, own, indices)
    if seen := len(np.intersect1d(indices, own.train)):
        notes.append(f"{seen} of {len(indices)} images were trained on: these numbers say nothing of new images")
    contents = {data.contents[i] for i in own.train}
    alike = sum(data.contents[i] in contents for i in np.setdiff1d(indices, own.train))
    if alike:
        notes.append(f"{alike} of {len(indices)} images show contents that were trained on")
    rule = trained.selection
    peeked = {"validation": own.validation, "test-oracle": own.test}.get(rule, indices[:0])
    if chosen := len(np.intersect1d(indices, peeked)):
        notes.append(f"{chosen} of {len(indices)} images chose the epoch (--selection {rule}): the numbers flatter it")
    return notes
