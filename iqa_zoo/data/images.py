"""Read image files as arrays.

Images are read as a viewer shows them: EXIF orientation applied, transparency over white, greyscale, palette and CMYK converted
to RGB (embedded colour profiles are not applied), the first frame of an animation. Of 16 or 12 bits per channel the upper 8 are
kept. The bit depth is the declared one; samples without a known range (floating point, 32-bit or signed integers) are refused.
Only the formats of :mod:`iqa_zoo.data.formats` are opened, by content. A truncated file is an error, never a partly grey image,
unless the decoder does not report the damage (a truncated JPEG file with an end marker).
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from iqa_zoo.data.formats import FORMATS, guess_content, is_avif, is_heif
from iqa_zoo.data.listing import escape_path
from iqa_zoo.data.png import has_all_rows, strip_metadata
from iqa_zoo.errors import InputError

LARGEST = 200_000_000  # maximum pixels of an image: 600 MB as an array

_METADATA = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_ORIENTATION = 274  # EXIF
_TIFF_SUBFILE, _TIFF_BITS, _TIFF_PHOTOMETRIC = 254, 258, 262


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image file as RGB, image_HWC in 0..255, as described at the top of this module.

    Raises:
        InputError: the file is missing, not readable, not in a supported format, damaged, larger than ``LARGEST`` pixels, or
            has samples without a known range.

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
        return _read_whole(file, path)


def decode_image(content: bytes, name: str = "the image") -> NDArray[np.uint8]:
    """Decode the bytes of an image file as :func:`read_image` does.

    Raises:
        InputError: as :func:`read_image`; the message calls the image ``name``.
    """
    return _read_whole(io.BytesIO(content), Path(name))


def convert_image(image: Image.Image, name: str = "the image") -> NDArray[np.uint8]:
    """Convert a Pillow image as :func:`read_image` does with that of a file; it is left as it was.

    Raises:
        InputError: as :func:`read_image`; the message calls the image ``name``.

    >>> convert_image(Image.new("LA", (1, 1), (0, 0)))[0, 0].tolist()  # transparent
    [255, 255, 255]
    """
    path = Path(name)
    _check(image, path)
    try:
        turned = ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
        return np.array(_convert_to_rgb(turned))
    except MemoryError:
        raise InputError(f"{_format_size(image, path)}, and there is not enough memory to convert it") from None
    except Exception as error:  # a file that was opened lazily is decoded only now
        raise InputError(f"{name} cannot be decoded: {error}") from error


def read_size(path: str | Path) -> tuple[int, int]:
    """Read (height, width) in pixels from the header of an image file, before EXIF rotation.

    Raises:
        InputError: as :func:`read_image`, as far as the header shows.
    """
    path = Path(path)
    with _open_file(path) as file:
        return _read_size(file, path)


def decode_size(content: bytes, name: str = "the image") -> tuple[int, int]:
    """Read (height, width) of the bytes of an image file as :func:`read_size` does; messages call the image ``name``."""
    return _read_size(io.BytesIO(content), Path(name))


def _read_size(file: BinaryIO, path: Path) -> tuple[int, int]:
    try:
        image = _open(file, path)
    except _LongMetadataError:
        image = _open(strip_metadata(file), path)
    _check(image, path)
    return image.height, image.width


class _LongMetadataError(Exception):
    """Pillow refuses a PNG file because of long text chunks; its pixels may be valid."""


def _read_whole(file: BinaryIO, path: Path) -> NDArray[np.uint8]:
    try:
        return _read(file, path)
    except _LongMetadataError:
        return _read(strip_metadata(file), path)


def _read(file: BinaryIO, path: Path) -> NDArray[np.uint8]:
    image = _open(file, path)
    _check(image, path)
    try:
        return np.array(_convert_to_rgb(_load(image, file, path)))
    except MemoryError:
        raise InputError(f"{_format_size(image, path)}, and there is not enough memory to decode it") from None


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
    """Open an image without decoding its pixels.

    ``Image.open`` is not used: its pixel limit is global, and it mistakes other files for formats without a signature.
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
            return factory(file, "")  # without a name Pillow does not memory-map the file
        except Exception as error:  # decoders raise anything on damaged data
            failure = failure or (error if each.has_signature else None)
    where = escape_path(path)
    if is_heif(first) and "HEIF" not in Image.OPEN:
        raise InputError(f"{where} is HEIF (HEIC); pip install 'iqa-zoo[heif]' to read it")
    if failure is not None:
        raise _make_decoding_error(path, failure, ", or holds a kind of pixels that Pillow does not read") from failure
    if is_avif(first):
        raise InputError(f"{where} is AVIF; pip install --upgrade 'Pillow>=11.3' to read it")
    content = guess_content(first)
    raise InputError(
        f"{where} is not an image in one of the formats {', '.join(each.name for each in FORMATS)}"
        + (f"; it may be {content}" if content else "")
    )


@functools.cache
def _register_heif() -> None:
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def _check(image: Image.Image, path: Path) -> None:
    """Refuse an image that cannot be read correctly, by its header."""
    if image.width * image.height > LARGEST:
        raise InputError(
            f"{_format_size(image, path)}; at most {LARGEST // 10**6} megapixels are read: reduce it, or cut it up"
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


def _load(image: Image.Image, file: BinaryIO, path: Path) -> Image.Image:
    """Decode the pixels and apply the EXIF orientation."""
    try:
        image.load()
        complete = not isinstance(image, PngImagePlugin.PngImageFile) or not _has_blank_end(image) or has_all_rows(file)
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise _make_decoding_error(path, error) from error
    if not complete:
        raise InputError(
            f"{escape_path(path)} is truncated or damaged: it holds fewer rows than the {image.height} that its header declares; "
            "restore it from its source"
        )
    try:
        image.getexif()  # parse now and drop the source, so that exif_transpose does not rewrite it, which can fail
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


def _has_blank_end(image: Image.Image) -> bool:
    """Return whether one of the last two rows is zero, as the rows that a PNG file lacks are (every other row if interlaced)."""
    return any(
        image.crop((0, row, image.width, row + 1)).getbbox(alpha_only=False) is None
        for row in range(max(image.height - 2, 0), image.height)
    )


def _make_decoding_error(path: Path, error: Exception, otherwise: str = "") -> Exception:
    """Make the error for an exception of a decoder."""
    where = escape_path(path)
    if "MAX_TEXT" in str(error):
        return _LongMetadataError()
    if isinstance(error, Image.DecompressionBombError):
        return InputError(f"{where} has more pixels than are read; reduce it, or cut it up ({error})")
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"{where} cannot be read: {error.strerror}")
    return InputError(f"{where} is truncated or damaged{otherwise}: {error}; restore it from its source")


def _format_size(image: Image.Image, path: Path) -> str:
    megapixels = image.width * image.height / 10**6
    return f"{escape_path(path)} is {image.width}x{image.height} pixels (width x height, {megapixels:.0f} megapixels)"


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _keep_high_byte(image).convert("RGB")
    if image.mode == "La":  # premultiplied; Pillow converts it to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return image.convert("RGB")


def _keep_high_byte(image: Image.Image) -> Image.Image:
    # Pillow keeps the high byte of 16-bit colour but not of 16-bit grey; treat both alike.
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
