"""Scores of images by a trained model, the same whatever is scored beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import distributed

from iqa_zoo.data.loader import CropLoader, DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.engine.trainable import Trainable

CROP_SEED = 0  # of test crops: they depend on the image's name and on nothing else


def predict(
    trainable: Trainable,
    data: RatedImages,
    indices: Sequence[int] | NDArray[np.int64],
    *,
    crops: int,
    images: DecodedImages | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Return one score an image: the mean over its crops, on the labels' scale.

    A forward pass holds the crops of one image and no others, so that a score depends on nothing else in the data, nor on
    the order. Several processes share the images and all get all scores.

    Args:
        trainable: scored in eval mode, and left as it was.
        data: the dataset.
        indices: which of its images.
        crops: an image.
        images: where decoded images come from; read anew where left out.
        progress: called with (images done, images in all) after each.

    Raises:
        InputError: an image that cannot be read or is smaller than a crop; names the file.
            :class:`iqa_zoo.engine.scoring.EnlargedImages` as ``images`` enlarges those that are smaller.
    """
    indices = np.asarray(indices, dtype=np.int64)
    rank, world = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
    mine = indices[rank::world]
    device = next(trainable.parameters()).device
    scores = []
    if len(mine):
        was_training = trainable.training
        trainable.eval()
        loader = CropLoader(
            data,
            mine,
            size=trainable.model.spec.image_size,
            crops=crops,
            batch_size=crops,
            seed=CROP_SEED,
            shuffle=False,
            images=images,
        )
        try:
            for batch in loader:
                scores.append(trainable.score(batch.image_BCHW.to(device)).mean().item())
                if progress:
                    progress(min(len(scores) * world, len(indices)), len(indices))
        finally:
            trainable.train(was_training)
    if world == 1:
        return np.array(scores)
    shared: list[list[float]] = [[] for _ in range(world)]
    distributed.all_gather_object(shared, scores)
    result = np.empty(len(indices))
    for other, theirs in enumerate(shared):
        result[other::world] = theirs
    return result
