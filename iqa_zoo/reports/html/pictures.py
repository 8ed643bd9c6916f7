"""Thumbnails embedded in the page, or the reason why an image is missing."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError

ABSENT = "the image is not available"


@dataclass(frozen=True)
class Picture:
    """A JPEG as a data URI with its size in pixels, or the reason (``why``) there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    why: str = ""


@dataclass
class Pictures:
    """The images of a dataset by name, read when shown; ``note`` explains missing images.

    >>> Pictures({}).thumbnail("1.png").why
    'the image is not available'
    """

    paths: Mapping[str, Path]
    note: str = ""
    unreadable: dict[str, str] = field(default_factory=dict)

    def thumbnail(self, name: str, side: int = 160, quality: int = 70) -> Picture:
        """Make a thumbnail of at most ``side`` pixels in width and height; never raises."""
        path = self.paths.get(name)
        if path is None:
            return Picture(why=ABSENT)
        try:
            return encode(path, side, quality)
        except InputError as error:
            reason = str(error).replace(str(path), "the file")
            self.unreadable[name] = reason
            return Picture(why=f"cannot be read: {reason}")


def encode(path: Path, side: int, quality: int) -> Picture:
    """Encode an image file as a small JPEG.

    Raises:
        InputError: the file cannot be read.
    """
    image = Image.fromarray(read_image(path))
    image.thumbnail((side, side), reducing_gap=2.0)
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=quality, optimize=True)
    return Picture(format_data_uri(kept.getvalue(), "image/jpeg"), *image.size)


def format_data_uri(content: bytes, kind: str) -> str:
    """Format bytes as a data URI.

    >>> format_data_uri(b"a", "image/png")
    'data:image/png;base64,YQ=='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def load_explanations(folder: Path, most_bytes: int = 8_000_000) -> tuple[list[tuple[str, str]], list[str]]:
    """Load the figures in a run's ``explain/`` as (data URI, alternative text), and list those left out.

    The alternative text of ``experts.png`` is in ``experts.txt`` if that file exists, else it is the file name.
    """
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    shown, left_out, used = [], [], 0
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in kinds:
            continue
        try:
            content = path.read_bytes()
            text = path.with_suffix(".txt")
            alt = text.read_text(encoding="utf-8").strip() if text.is_file() else path.stem.replace("_", " ")
        except (OSError, UnicodeDecodeError) as error:
            left_out.append(f"explain/{path.name} cannot be read: {type(error).__name__}.")
            continue
        used += len(content)
        if used > most_bytes:
            left_out.append(f"explain/{path.name} is left out: more than {most_bytes / 1e6:.0f} MB of figures.")
        else:
            shown.append((format_data_uri(content, kinds[path.suffix.lower()]), alt))
    return shown, left_out
