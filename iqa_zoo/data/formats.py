"""The supported image formats, and how to recognise a file by its first bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFormat:
    """A supported format.

    Attributes:
        name: Pillow's name.
        suffixes: file suffixes in lower case.
        has_signature: whether the first bytes identify it; otherwise the suffix does.
    """

    name: str
    suffixes: tuple[str, ...]
    has_signature: bool = True


FORMATS = (
    ImageFormat("PNG", (".png", ".apng")),
    ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),  # Pillow's JPEG reader reads MPO too
    ImageFormat("BMP", (".bmp",)),
    ImageFormat("DIB", (".dib",), has_signature=False),
    ImageFormat("GIF", (".gif",)),
    ImageFormat("JPEG2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")),
    ImageFormat("PPM", (".ppm", ".pgm", ".pbm", ".pnm")),
    ImageFormat("TIFF", (".tif", ".tiff")),
    ImageFormat("WEBP", (".webp",)),
    ImageFormat("AVIF", (".avif",)),  # Pillow reads it from version 11.3 on
    ImageFormat("HEIF", (".heic", ".heif", ".hif")),  # pillow-heif reads it
    ImageFormat("TGA", (".tga",), has_signature=False),
)

SUFFIXES = tuple(sorted(suffix for each in FORMATS for suffix in each.suffixes))

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")

# First bytes of other files that are often taken for images.
_OTHERS = (
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"8BPS", "a Photoshop file"),
    (b"version https://git-lfs", "a Git LFS pointer: run git lfs pull"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"SIMPLE  =", "FITS"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
)


def guess_content(first: bytes) -> str:
    """Guess the content of a file that is not an image, or return an empty string.

    >>> guess_content(b"%!PS-Adobe-3.0 EPSF-3.0"), guess_content(b"  <!DOCTYPE html>"), guess_content(b"\\x07\\x08")
    ('PostScript', 'HTML, SVG or XML', '')
    """
    if not first:
        return "an empty file"
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "HTML, SVG or XML"
    return next((what for signature, what in _OTHERS if first.startswith(signature)), "")


def is_heif(first: bytes) -> bool:
    """Whether a file begins like HEIF (such as HEIC), which Pillow alone does not read.

    >>> is_heif(b"\\0\\0\\0\\x18ftypheic"), is_heif(b"\\0\\0\\0\\x18ftypavif")
    (True, False)
    """
    return first[4:8] == b"ftyp" and first[8:12] in _HEIF_BRANDS


def is_avif(first: bytes) -> bool:
    """Whether a file begins like AVIF."""
    return first[4:8] == b"ftyp" and first[8:12] in _AVIF_BRANDS
