"""What a model sees of a photograph: crops at fixed positions, or the whole of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.crops import cut_grid_crops
from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError

LONGEST_SIDE = 1024  # pixels of the long side of a whole photograph; a larger one is reduced


def choose_crops(spec: FeatureSpec, given: int | None, usual: int) -> int:
    """Return how many views of an image a backbone sees: ``given`` crops, ``usual`` ones if left out, 1 for whole images.

    Raises:
        InputError: several crops are given, and the backbone sees whole images.

    >>> choose_crops(FeatureSpec({}, 8, 8, 224), None, usual=4)
    4
    >>> choose_crops(FeatureSpec({}, 8, 8, 192, view="whole"), None, usual=4)
    1
    """
    if spec.view == "crops":
        return given or usual
    if given is not None and given > 1:
        raise InputError(
            f"--crops {given}: this backbone sees the whole of each image, which is one view; leave --crops out"
        )
    return 1


def reduce_image(image_HWC: NDArray[np.uint8], smallest: int) -> tuple[NDArray[np.uint8], str]:
    """Reduce an image to a long side of ``LONGEST_SIDE`` pixels, unless it is smaller; return a note on the change.

    Pillow's bicubic filter, which is antialiased. The short side keeps at least ``smallest`` pixels, so the long side of a
    narrow panorama may exceed ``LONGEST_SIDE``.

    >>> image_HWC, note = reduce_image(np.zeros((1500, 2048, 3), np.uint8), 192)
    >>> image_HWC.shape, note, reduce_image(image_HWC, 192)[1]
    ((750, 1024, 3), 'reduced from 1500x2048', '')
    >>> reduce_image(np.zeros((300, 4000, 3), np.uint8), 192)[0].shape
    (192, 2560, 3)
    """
    height, width = image_HWC.shape[:2]
    scale = max(LONGEST_SIDE / max(height, width), smallest / min(height, width))
    if scale >= 1:
        return image_HWC, ""
    size = max(smallest, round(width * scale)), max(smallest, round(height * scale))
    image = Image.fromarray(np.ascontiguousarray(image_HWC)).resize(size, Image.Resampling.BICUBIC)
    return np.array(image), f"reduced from {height}x{width}"


def cut_views(image_HWC: NDArray[np.uint8], spec: FeatureSpec, crops: int) -> tuple[NDArray[np.uint8], str]:
    """Return what a backbone sees of an image: uint8 (views, height, width, 3), and a note on a reduction or "".

    Args:
        image_HWC: uint8, of a short side of at least ``spec.image_size`` (:func:`iqa_zoo.data.enlarge.enlarge`).
        spec: of the backbone. Where its view is the whole image, there is one view, whatever ``crops`` is.
        crops: at the positions of :func:`iqa_zoo.data.crops.compute_grid_boxes`.
    """
    if spec.view == "crops":
        return cut_grid_crops(image_HWC, spec.image_size, crops), ""
    reduced_HWC, note = reduce_image(image_HWC, spec.image_size)
    return reduced_HWC[None].copy(), note


def load_views(path: str | Path, spec: FeatureSpec, crops: int) -> NDArray[np.uint8]:
    """Decode an image, enlarge it where it is smaller than the backbone's input, and return :func:`cut_views` of it.

    Raises:
        InputError: the file cannot be read, or the enlarged image would have too many pixels; names the file.
    """
    path = Path(path)
    return cut_views(enlarge(read_image(path), spec.image_size, path)[0], spec, crops)[0]
