"""The batches of an epoch, as mmengine's loop takes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from numpy import int64
from numpy.typing import NDArray

from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.loader import CropLoader
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.training.processes import get_rank, get_world
from iqa_zoo.training.recipe import Recipe


class Batches:
    """The batches of an epoch, as many as accumulate to whole steps."""

    def __init__(
        self, data: RatedImages, train: NDArray[int64], recipe: Recipe, size: int, seed: int, images: DecodedImages
    ):
        self.loader = CropLoader(
            data,
            train,
            size=size,
            crops=recipe.crops,
            batch_size=recipe.batch_size // recipe.accumulate,
            seed=seed,
            flip=recipe.flip,
            images=images,
            rank=get_rank(),
            world=get_world(),
            drop_last=True,
        )
        self.dataset = _NoMetaInfo()
        self.length = recipe.passes(len(train))
        self.skipped = 0

    def begin(self, epoch: int, skip: int) -> None:
        """Begin an epoch and skip the batches of it that were trained on before."""
        self.skipped = skip
        self.loader.set_epoch(epoch, skip)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for batch in islice(self.loader, self.length - self.skipped):
            yield dict(image_BCHW=batch.image_BCHW, mos_B=batch.mos_B)


class _NoMetaInfo:
    """mmengine reads this attribute of a dataset."""

    metainfo: dict[str, Any] = {}  # noqa: RUF012  # read only
