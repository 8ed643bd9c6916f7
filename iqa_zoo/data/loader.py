"""Batches of crops: an image is decoded at most once an epoch, however many crops it gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.data.crops import sample_crop_boxes, sample_crop_flips
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError


@dataclass(frozen=True)
class CropBatch:
    """Some crops: image_BCHW in 0..255 (uint8), the label of each, and the index of its image in the dataset."""

    image_BCHW: Tensor
    mos_B: Tensor
    index_B: Tensor


class CropLoader:
    """Iterates over batches of random crops of chosen images; each image is decoded at most once an epoch.

    Crops are shuffled within windows: all crops of ``window`` images at a time, so that a batch mixes images while no
    more than about that many are held. The order and the boxes depend on the seed, the epoch and the image names alone,
    not on threads, caches or the number of processes.

    Args:
        data: the dataset.
        indices: the images of this epoch, such as ``split.train``.
        size: side of a crop, in pixels.
        crops: crops an image and epoch.
        batch_size: crops a batch, over all processes.
        seed: of order, boxes and mirroring.
        flip: mirror crops at random.
        window: images whose crops are mixed.
        images: where decoded images come from, with ``smallest=size``; by default they are not kept between epochs.
        threads: that decode ahead.
        rank, world: this process takes rows ``rank::world`` of each batch.
        drop_last: leave out a last batch that is not full.

    Raises:
        InputError: numbers that do not fit; while iterating, an image that cannot be read.
    """

    def __init__(
        self,
        data: RatedImages,
        indices: Sequence[int] | NDArray[np.int64],
        *,
        size: int,
        crops: int,
        batch_size: int,
        seed: int = 0,
        flip: bool = True,
        window: int = 64,
        images: DecodedImages | None = None,
        threads: int | None = None,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
    ):
        for name, value in (("crops", crops), ("batch_size", batch_size), ("window", window), ("world", world)):
            if value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if not len(indices):
            raise InputError(f"{data.name}: no images to load")
        if batch_size % world or not 0 <= rank < world:
            raise InputError(f"a batch of {batch_size} crops cannot be shared by process {rank} of {world}")
        if world > 1 and not drop_last:
            raise InputError("several processes need drop_last=True: a last batch that is not full cannot be shared")
        self.data, self.size, self.crops, self.batch_size = data, size, crops, batch_size
        self.indices = np.asarray(indices, dtype=np.int64)
        self.seed, self.flip, self.window = seed, flip, window
        self.images = images or DecodedImages(data, memory_bytes=0, smallest=size)
        self.threads = threads or min(4, os.cpu_count() or 1)
        self.rank, self.world, self.drop_last = rank, world, drop_last
        self._epoch = self._skip = 0

    def set_epoch(self, epoch: int, skip: int = 0) -> None:
        """Choose the epoch that the next iteration gives, from its batch ``skip`` on (to resume within an epoch)."""
        self._epoch, self._skip = epoch, skip

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        crops = len(self.indices) * self.crops
        return crops // self.batch_size if self.drop_last else -(-crops // self.batch_size)

    def __iter__(self) -> Iterator[CropBatch]:
        order = self._order()
        starts = range(self._skip * self.batch_size, len(self) * self.batch_size, self.batch_size)
        batches = [order[start : start + self.batch_size][self.rank :: self.world] for start in starts]
        yield from _produce(batches, self._load, self._batch, self.threads)

    def _order(self) -> NDArray[np.int64]:
        """(image, crop) of every crop of the epoch, in the order of the batches."""
        rng = np.random.default_rng([self.seed, self._epoch])
        indices = rng.permutation(self.indices)
        windows = [indices[start : start + self.window] for start in range(0, len(indices), self.window)]
        return np.concatenate([rng.permutation(_pairs(window, self.crops)) for window in windows])

    def _load(self, index: int) -> _Image:
        key = f"{self.data.names[index]}/seed{self.seed}/epoch{self._epoch}"
        image_CHW = self.images[index]
        height, width = image_CHW.shape[1:]
        try:
            boxes = sample_crop_boxes(height, width, self.size, self.crops, key)
        except InputError as error:
            raise InputError(f"{self.data.paths[index]}: {error}") from None
        return _Image(image_CHW, boxes, sample_crop_flips(self.crops, key) if self.flip else [False] * self.crops)

    def _batch(self, rows: NDArray[np.int64], images: dict[int, _Image]) -> CropBatch:
        image_BCHW = torch.empty(len(rows), 3, self.size, self.size, dtype=torch.uint8)
        pixels_BCHW = image_BCHW.numpy()
        for row, (index, crop) in enumerate(rows.tolist()):
            image = images[index]
            top, left = image.boxes[crop]
            pixels_BCHW[row] = image.image_CHW[:, top : top + self.size, left : left + self.size]
            if image.flips[crop]:
                image_BCHW[row] = image_BCHW[row].flip(-1)  # torch reverses bytes far faster than numpy
        mos_B = torch.from_numpy(self.data.mos[rows[:, 0]]).float()
        return CropBatch(image_BCHW, mos_B, torch.from_numpy(rows[:, 0].copy()))


@dataclass(frozen=True)
class _Image:
    image_CHW: NDArray[np.uint8]
    boxes: list[tuple[int, int]]
    flips: list[bool]


def _pairs(indices: NDArray[np.int64], crops: int) -> NDArray[np.int64]:
    return np.stack([np.repeat(indices, crops), np.tile(np.arange(crops), len(indices))], axis=1)


def _produce(
    batches: list[NDArray[np.int64]],
    load: Callable[[int], _Image],
    make: Callable[[NDArray[np.int64], dict[int, _Image]], CropBatch],
    threads: int,
) -> Iterator[CropBatch]:
    """Make the batches in order, loading each image once, ahead of its first use and until its last."""
    last_use = {index: number for number, rows in enumerate(batches) for index in rows[:, 0].tolist()}
    by_first_use = dict.fromkeys(index for rows in batches for index in rows[:, 0].tolist())
    images: dict[int, _Image] = {}
    with closing(prefetch(load, by_first_use, ahead=4 * threads, threads=threads)) as loaded:
        for number, rows in enumerate(batches):
            needed = dict.fromkeys(rows[:, 0].tolist())
            for index in needed:
                if index not in images:  # it is the next one, as images are loaded in the order of first use
                    images[index] = next(loaded)[1].result()
            yield make(rows, images)
            for index in needed:
                if last_use[index] == number:
                    del images[index]
