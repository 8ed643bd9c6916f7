"""Scores of any images, of any size, rated or not."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from iqa_zoo.data.crops import crop_boxes, crop_flips, cut_crops
from iqa_zoo.data.images import read_image
from iqa_zoo.data.loader import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.engine.trainable import Trainable
from iqa_zoo.errors import InputError

AHEAD = 4  # images decoded before their turn
LARGEST = 200_000_000  # pixels an image may be enlarged to


@dataclass(frozen=True)
class ScoredImage:
    """One image and its score.

    Attributes:
        path: as it was given.
        score: on the labels' scale of the data the model was trained on; None for an image that has none.
        height, width: of the file's image, in pixels; None where it could not be read.
        note: what was done to the image before it was scored; empty for nothing.
        error: why there is no score; empty where there is one.
    """

    path: Path
    score: float | None
    height: int | None = None
    width: int | None = None
    note: str = ""
    error: str = ""


def score_images(trainable: Trainable, paths: Iterable[str | Path], crops: int) -> Iterator[ScoredImage]:
    """Yield a result for each image, in order, as it is scored: the mean over its crops.

    A score depends on the pixels of the image and on nothing else: not on its file name, its folder, or what is scored
    beside it. Its random crops are keyed by a hash of the decoded pixels; those of the test parts in training
    (:func:`iqa_zoo.engine.prediction.predict`) by the image's name, so that the score of a test image differs here by
    what another draw of crops makes. An image whose short side is below the model's input is enlarged to it (bicubic). A
    forward pass holds the crops of one image and no others: the score is the same to the last bit in any order, on one
    machine with one number of threads.

    Args:
        trainable: from :func:`iqa_zoo.engine.training.load_run`; scored in eval mode, and left as it was.
        paths: image files. One that cannot be read is a result with an ``error``; the others are scored.
        crops: an image.

    Raises:
        InputError: fewer than one crop.
    """
    if crops < 1:
        raise InputError(f"{crops} crops an image; take at least 1")
    return _results(trainable, iter(paths), crops)


def _results(trainable: Trainable, paths: Iterator[str | Path], crops: int) -> Iterator[ScoredImage]:
    size = trainable.model.spec.image_size
    device = next(trainable.parameters()).device
    was_training = trainable.training
    pool = ThreadPoolExecutor(2)
    waiting: deque[tuple[Path, Future[_Prepared]]] = deque()

    def submit(count: int) -> None:
        for path in islice(paths, count):
            waiting.append((Path(path), pool.submit(_prepare, Path(path), size, crops)))

    try:
        submit(AHEAD)
        while waiting:
            path, future = waiting.popleft()
            submit(1)
            try:
                image = future.result()
            except InputError as error:
                yield ScoredImage(path, None, error=str(error))
                continue
            trainable.eval()
            score = trainable.score(image.crops_BCHW.to(device)).mean().item()
            trainable.train(was_training)
            yield ScoredImage(path, score, image.height, image.width, image.note)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Prepared:
    crops_BCHW: torch.Tensor
    height: int
    width: int
    note: str


def _prepare(path: Path, size: int, crops: int) -> _Prepared:
    image_HWC = read_image(path)
    height, width = image_HWC.shape[:2]
    image_HWC, note = enlarged(image_HWC, size, path)
    key = _pixel_hash(image_HWC)
    boxes = crop_boxes(image_HWC.shape[0], image_HWC.shape[1], size, crops, key)
    crops_BHWC = torch.from_numpy(cut_crops(image_HWC, boxes, size, crop_flips(crops, key)))
    return _Prepared(crops_BHWC.permute(0, 3, 1, 2).contiguous(), height, width, note)


def enlarged(image_HWC: NDArray[np.uint8], size: int, path: Path) -> tuple[NDArray[np.uint8], str]:
    """Return an image whose short side is ``size`` at least, enlarged to it (bicubic) if it must be, and a note on that.

    Raises:
        InputError: it would have more than ``LARGEST`` pixels; names the file.

    >>> image_HWC, note = enlarged(np.zeros((20, 24, 3), np.uint8), 32, Path("a.png"))
    >>> image_HWC.shape, note, enlarged(image_HWC, 32, Path("a.png"))[1]
    ((32, 38, 3), 'enlarged from 20x24', '')
    """
    height, width = image_HWC.shape[:2]
    if min(height, width) >= size:
        return image_HWC, ""
    scale = size / min(height, width)
    larger = max(size, round(height * scale)), max(size, round(width * scale))
    if larger[0] * larger[1] > LARGEST:
        raise InputError(
            f"{path} is {height}x{width} pixels (height x width) and would be {larger[0]}x{larger[1]} with a short side "
            f"of {size}; cut it into pieces that are less narrow"
        )
    image = Image.fromarray(image_HWC).resize(larger[::-1], Image.Resampling.BICUBIC)
    return np.array(image), f"enlarged from {height}x{width}"


class EnlargedImages(DecodedImages):
    """The images of a dataset for :func:`iqa_zoo.engine.prediction.predict`, each enlarged as :func:`enlarged` says.

    Args:
        data: the dataset.
        size: of the model's input, in pixels.

    Attributes:
        notes: on the images read so far that were enlarged, by name.
    """

    def __init__(self, data: RatedImages, size: int):
        super().__init__(data, memory_bytes=0)
        self.size = size
        self.notes: dict[str, str] = {}

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        image_CHW = super().__getitem__(index)
        image_HWC, note = enlarged(image_CHW.transpose(1, 2, 0), self.size, self.data.paths[index])
        if not note:
            return image_CHW
        self.notes[self.data.names[index]] = note
        return np.ascontiguousarray(image_HWC.transpose(2, 0, 1))


def _pixel_hash(image_HWC: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(f"{image_HWC.shape[0]}x{image_HWC.shape[1]}/".encode())
    digest.update(np.ascontiguousarray(image_HWC).data)
    return digest.hexdigest()
