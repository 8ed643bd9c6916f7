"""Image files to arrays, under one stated policy.

An image is read as a viewer would show it: EXIF orientation applied; transparency over white; greyscale, palette and
CMYK turned into RGB (embedded colour profiles are not applied); of an animation the first frame. Of 16 bits a channel
the upper 8 are kept, of 12 bits likewise. The number of bits is what the file declares, never a guess from its values:
samples without a known range (floating point, 32-bit or signed integers) are refused. Only the formats of
:mod:`iqa_zoo.data.formats` are opened, by content. A file that is cut off is an error, never a partly grey image; damage
that a decoder does not report is not noticed (a JPEG file that was cut off and closed with an end marker).
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from iqa_zoo.data.formats import FORMATS, guess_content, is_avif, is_heif
from iqa_zoo.data.listing import escape_path
from iqa_zoo.errors import InputError

LARGEST = 200_000_000  # pixels of an image: 600 MB as an array

_METADATA = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # the chunks whose length Pillow limits
_TIFF_SUBFILE, _TIFF_BITS, _TIFF_PHOTOMETRIC = 254, 258, 262


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image file as RGB, image_HWC in 0..255, under the policy stated at the top of this module.

    Raises:
        InputError: no such file, no permission, not an image in one of the promised formats, truncated or otherwise
            damaged, more than ``LARGEST`` pixels, or samples without a known range; names the file and the reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "grey.png"
    ...     Image.new("L", (3, 2), 128).save(file)
    ...     image_HWC = read_image(file)
    >>> image_HWC.shape, image_HWC[0, 0].tolist()
    ((2, 3, 3), [128, 128, 128])
    """
    path = Path(path)
    with _open_file(path) as file:
        try:
            return _read(file, path)
        except _LongMetadataError:
            return _read(_without_metadata(file), path)


def read_size(path: str | Path) -> tuple[int, int]:
    """Read the header of an image file: (height, width) in pixels, before the image is turned upright.

    Raises:
        InputError: as :func:`read_image`, for all that the header shows: a file cut off behind it is not noticed.
    """
    path = Path(path)
    with _open_file(path) as file:
        try:
            image = _open(file, path)
        except _LongMetadataError:
            image = _open(_without_metadata(file), path)
        _check(image, path)
        return image.height, image.width


class _LongMetadataError(Exception):
    """Pillow refuses a PNG file for the length of its text; its pixels may be in order."""


def _read(file: BinaryIO, path: Path) -> NDArray[np.uint8]:
    image = _open(file, path)
    _check(image, path)
    try:
        return np.array(_as_rgb(_load(image, path)))
    except MemoryError:
        raise InputError(f"{_size(image, path)}, and there is not enough memory to decode it") from None


def _open_file(path: Path) -> BinaryIO:
    where = escape_path(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        link = f" (it is a link to {escape_path(os.readlink(path))})" if path.is_symlink() else ""
        raise InputError(f"{where} does not exist{link}") from None
    except OSError as error:
        raise InputError(f"{where} cannot be opened: {error.strerror}") from error
    except ValueError:  # a null character
        raise InputError(f"{str(path)!r} is not a path") from None
    # Reading a pipe or a device may never end.
    raise InputError(f"{where} is a folder, not an image" if stat.S_ISDIR(mode) else f"{where} is not a regular file")


def _open(file: BinaryIO, path: Path) -> Image.Image:
    """Open an image, its pixels not yet decoded.

    ``Image.open`` is not used: its limit of pixels is global to the process, and it recognises a format without a
    signature in the file of another.
    """
    try:
        file.seek(0)
        first = file.read(64)
    except OSError as error:
        raise InputError(f"{escape_path(path)} cannot be read: {error.strerror}") from error
    Image.init()
    if is_heif(first):
        _register_heif()
    failure: Exception | None = None
    for each in FORMATS:
        if each.name not in Image.OPEN or not (each.has_signature or path.suffix.lower() in each.suffixes):
            continue
        factory, accepts = Image.OPEN[each.name]
        if accepts is not None and accepts(first[:16]) is not True:
            continue
        try:
            file.seek(0)
            return factory(file, "")  # without a name Pillow does not map the file into memory
        except Exception as error:  # a decoder can fail in any way at damaged data
            failure = failure or (error if each.has_signature else None)
    where = escape_path(path)
    if is_heif(first) and "HEIF" not in Image.OPEN:
        raise InputError(f"{where} is HEIF (HEIC); pip install 'iqa-zoo[heif]' to read it")
    if failure is not None:
        raise _undecodable(path, failure, ", or holds a kind of pixels that Pillow does not read") from failure
    if is_avif(first):
        raise InputError(f"{where} is AVIF; pip install --upgrade 'Pillow>=11.3' to read it")
    content = guess_content(first)
    raise InputError(
        f"{where} is not an image in one of the formats {', '.join(each.name for each in FORMATS)}"
        + (f"; it looks like {content}" if content else "")
    )


@functools.cache
def _register_heif() -> None:
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def _check(image: Image.Image, path: Path) -> None:
    """Refuse, by its header, an image that cannot be read rightly."""
    if image.width * image.height > LARGEST:
        raise InputError(
            f"{_size(image, path)}; at most {LARGEST // 10**6} megapixels are read: reduce it, or cut it up"
        )
    if image.mode == "F":
        raise InputError(
            f"{escape_path(path)} holds floating point samples, whose range is not known; save it with 8 or 16 bits"
        )
    if image.mode == "LAB":
        raise InputError(f"{escape_path(path)} holds LAB colour, which is not read; save it as RGB")
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    if image.mode == "I":
        raise InputError(
            f"{escape_path(path)} holds samples outside 16 bits without a sign, so their range is not known; save it with 8 "
            "or 16 bits"
        )
    if image.tag_v2.get(_TIFF_SUBFILE, 0) & 1:
        raise InputError(
            f"{escape_path(path)} begins with a reduced copy of its image, as files of camera sensors do; develop it and "
            "save it as PNG"
        )


def _load(image: Image.Image, path: Path) -> Image.Image:
    """Decode the pixels and turn them upright."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise _undecodable(path, error) from error
    try:
        image.getexif()  # is parsed once; without its source exif_transpose does not write it anew, which can fail
        for key in _METADATA:
            image.info.pop(key, None)
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise InputError(
            f"{escape_path(path)}: its EXIF metadata is damaged ({error}), so its orientation is not known; remove it, for "
            "example with exiftool -all="
        ) from error
    return image


def _undecodable(path: Path, error: Exception, otherwise: str = "") -> Exception:
    """What to raise for what a decoder raised."""
    where = escape_path(path)
    if "MAX_TEXT" in str(error):
        return _LongMetadataError()
    if isinstance(error, Image.DecompressionBombError):
        return InputError(f"{where} has more pixels than are read; reduce it, or cut it up ({error})")
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"{where} cannot be read: {error.strerror}")
    return InputError(f"{where} is truncated or damaged{otherwise}: {error}; restore it from its source")


def _without_metadata(file: BinaryIO) -> BinaryIO:
    """A copy of a PNG file without its texts and its colour profile."""
    file.seek(0)
    kept = io.BytesIO()
    kept.write(file.read(8))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        rest = file.read(length + 4)
        if kind not in _PNG_TEXT:
            kept.write(head + rest)
    return kept


def _size(image: Image.Image, path: Path) -> str:
    megapixels = image.width * image.height / 10**6
    return f"{escape_path(path)} is {image.width}x{image.height} pixels (width x height, {megapixels:.0f} megapixels)"


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _high_byte(image).convert("RGB")
    if image.mode == "La":  # premultiplied, which Pillow turns into LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return image.convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    # Pillow's own decoders keep the high byte of 16-bit colour; 16-bit grey comes as it is, so we do the same.
    grey_HW = np.asarray(image).astype(np.int32)
    bits = 16
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_TIFF_BITS, (16,))[0]
        if image.tag_v2.get(_TIFF_PHOTOMETRIC) == 0:  # white is zero
            grey_HW = (1 << bits) - 1 - grey_HW
    grey_HW >>= bits - 8
    if "transparency" in image.info:
        grey_HW[np.asarray(image) == image.info["transparency"]] = 255
    return Image.fromarray(np.clip(grey_HW, 0, 255).astype(np.uint8))
