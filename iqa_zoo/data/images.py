"""Image files to arrays, under one stated policy.

An image is read as a viewer would show it: EXIF orientation applied; transparency over white; greyscale,
palette and CMYK turned into RGB (embedded colour profiles are not applied); of 16 bits a channel the upper 8
are kept; of an animation the first frame. A file that cannot be read in full is an error, never a partly grey
image.
"""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from iqa_zoo.errors import InputError

SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

# What Pillow's decoders raise on damaged data.
_DAMAGE = (OSError, SyntaxError, EOFError, struct.error, zlib.error, ValueError, Image.DecompressionBombError)


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image file as RGB, image_HWC in 0..255, under the policy stated at the top of this module.

    Raises:
        InputError: no such file, not an image, truncated or otherwise damaged, or of floating point or
            more than 16-bit samples; names the file and the reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "grey.png"
    ...     Image.new("L", (3, 2), 128).save(file)
    ...     image_HWC = read_image(file)
    >>> image_HWC.shape, image_HWC[0, 0].tolist()
    ((2, 3, 3), [128, 128, 128])
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder, not an image" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {kind}")
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
    except UnidentifiedImageError:
        raise InputError(f"{path} is not an image that Pillow can read") from None
    except _DAMAGE as error:
        raise InputError(f"{path} is truncated or damaged: {error}; restore it from its source") from error
    return np.array(_as_rgb(image, path))


def list_images(folder: str | Path) -> list[Path]:
    """List the images directly in a folder in natural order (2.png before 10.png), hidden files left out.

    Raises:
        InputError: no such folder, or no file in it with one of ``SUFFIXES``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is {'a file' if folder.exists() else 'missing'}; give a folder of images")
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    if not found:
        raise InputError(f"no images in {folder}; looked for files that end in {', '.join(SUFFIXES)}")
    return sorted(found, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key under which digits count as numbers.

    >>> sorted(["10.png", "2.png", "a.png"], key=natural_key)
    ['2.png', '10.png', 'a.png']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], name


def _as_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise InputError(f"{path} holds floating point samples, whose range is not known; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return _high_byte(image, path).convert("RGB")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return image.convert("RGB")


def _high_byte(image: Image.Image, path: Path) -> Image.Image:
    # Pillow's own decoders keep the high byte of 16-bit colour; 16-bit grey comes as it is, so we do the same.
    grey_HW = np.asarray(image).astype(np.int64)
    if grey_HW.min() < 0 or grey_HW.max() > 65535:
        raise InputError(f"{path} holds samples outside 16 bits; save it with 8 or 16 bits")
    return Image.fromarray((grey_HW >> 8).astype(np.uint8))
