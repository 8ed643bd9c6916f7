"""Thumbnails that lie in the page itself, and words in the place of an image that cannot be shown."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError

ABSENT = "the image was not at hand"


@dataclass(frozen=True)
class Picture:
    """A JPEG as a data URI with its size in pixels, or why there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    why: str = ""


@dataclass
class Pictures:
    """The images of a dataset by name, read when they are shown; what was not found is explained in ``note``.

    >>> Pictures({}).thumbnail("1.png").why
    'the image was not at hand'
    """

    paths: Mapping[str, Path]
    note: str = ""
    unreadable: dict[str, str] = field(default_factory=dict)

    def thumbnail(self, name: str, side: int = 160, quality: int = 70) -> Picture:
        """At most ``side`` pixels wide and high; never fails."""
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
    """An image file as a small JPEG.

    Raises:
        InputError: it cannot be read.
    """
    image = Image.fromarray(read_image(path))
    image.thumbnail((side, side), reducing_gap=2.0)
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=quality, optimize=True)
    return Picture(as_uri(kept.getvalue(), "image/jpeg"), *image.size)


def as_uri(content: bytes, kind: str) -> str:
    """Bytes as a data URI.

    >>> as_uri(b"a", "image/png")
    'data:image/png;base64,YQ=='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def explanations(folder: Path, most_bytes: int = 8_000_000) -> tuple[list[tuple[str, str]], list[str]]:
    """The pictures of a run's ``explain/`` as (data URI, alternative text), and what was left out of them.

    A text file of a picture's name beside it (``experts.txt`` for ``experts.png``) is its alternative text; without one
    it is the name in words.
    """
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    shown, left_out, used = [], [], 0
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in kinds:
            continue
        try:
            content = path.read_bytes()
            words = path.with_suffix(".txt")
            alt = words.read_text(encoding="utf-8").strip() if words.is_file() else path.stem.replace("_", " ")
        except (OSError, UnicodeDecodeError) as error:
            left_out.append(f"explain/{path.name} cannot be read: {type(error).__name__}.")
            continue
        used += len(content)
        if used > most_bytes:
            left_out.append(f"explain/{path.name} is left out: more than {most_bytes / 1e6:.0f} MB of pictures.")
        else:
            shown.append((as_uri(content, kinds[path.suffix.lower()]), alt))
    return shown, left_out
