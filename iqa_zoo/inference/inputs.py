"""What can be scored: image files, their bytes, Pillow images, arrays and tensors, and lists of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from iqa_zoo.data.images import convert_image, decode_image, read_image
from iqa_zoo.errors import InputError

# A path, the bytes of an image file, a Pillow image, a uint8 array (height, width, 3), or a uint8 tensor (3, height, width).
OneImage: TypeAlias = "str | Path | bytes | Image.Image | NDArray[np.uint8] | torch.Tensor"


def split_images(given: OneImage | Iterable[OneImage]) -> list[OneImage] | None:
    """Return the images of a list, a tuple, an iterator, or a batch (4 dimensions); None for a single image."""
    if isinstance(given, np.ndarray | torch.Tensor):
        return list(given) if given.ndim == 4 else None
    if isinstance(given, str | Path | bytes | bytearray | memoryview | Image.Image) or not isinstance(given, Iterable):
        return None
    return list(given)


def read_pixels(given: OneImage) -> NDArray[np.uint8]:
    """Return an image as RGB, image_HWC in 0..255, as :func:`iqa_zoo.data.images.read_image` reads files.

    Arrays of grey (height, width), and with transparency (height, width, 4), are converted as files with such pixels are.

    Raises:
        InputError: a file that cannot be read, or an object that is no image; says what to give.

    >>> read_pixels(torch.zeros(3, 4, 6, dtype=torch.uint8)).shape
    (4, 6, 3)
    """
    if isinstance(given, str | Path):
        return read_image(given)
    if isinstance(given, bytes | bytearray | memoryview):
        return decode_image(bytes(given))
    if isinstance(given, Image.Image):
        return convert_image(given)
    if isinstance(given, torch.Tensor):
        _check_type(given, given.dtype == torch.uint8, "tensor", "(3, height, width)")
        if given.ndim != 3 or given.shape[0] not in (1, 3):
            raise InputError(
                f"a tensor of shape {tuple(given.shape)} is no image; give uint8 of shape (3, height, width)"
            )
        return read_pixels(given.detach().cpu().expand(3, -1, -1).permute(1, 2, 0).numpy())
    if isinstance(given, np.ndarray):
        _check_type(given, given.dtype == np.uint8, "array", "(height, width, 3)")
        if given.ndim == 3 and given.shape[2] == 1:
            given = given[..., 0]
        if given.ndim not in (2, 3) or (given.ndim == 3 and given.shape[2] not in (3, 4)) or not given.size:
            raise InputError(f"an array of shape {given.shape} is no image; give uint8 of shape (height, width, 3)")
        if given.ndim == 3 and given.shape[2] == 3:
            return np.ascontiguousarray(given)
        return convert_image(Image.fromarray(np.ascontiguousarray(given)))
    raise InputError(
        f"{type(given).__name__} is no image; give a path, the bytes of an image file, a Pillow image, a uint8 array "
        "(height, width, 3) or a uint8 tensor (3, height, width)"
    )


def name_input(given: OneImage) -> str | None:
    """Return the path of an image that was given by its path, as text; None for any other."""
    return str(given) if isinstance(given, str | Path) else None


def _check_type(given: Any, is_uint8: bool, kind: str, shape: str) -> None:
    if not is_uint8:
        raise InputError(
            f"the {kind} holds {given.dtype}; give uint8 in 0..255 of shape {shape}. Gradients of a score are those of "
            "scorer(image_BCHW), which takes a float tensor in 0..1"
        )
