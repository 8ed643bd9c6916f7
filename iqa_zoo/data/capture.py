"""When and by which camera a photograph was taken, from its EXIF metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from iqa_zoo.data.images import _open, _open_file

_EXIF_IFD, _MAKE, _MODEL = 0x8769, 271, 272
_TIMES = ((36867, 37521), (36868, 37522))  # DateTimeOriginal and DateTimeDigitized, each with its fraction of a second


@dataclass(frozen=True)
class Capture:
    """When a photograph was taken, by the camera's clock, and by which camera; None and "" where the file does not say."""

    time: datetime | None = None
    camera: str = ""


def read_capture(path: str | Path) -> Capture:
    """Read when and by which camera a photograph was taken. Damaged metadata count as none.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = Image.new("RGB", (8, 8))
    ...     exif = image.getexif()
    ...     exif.get_ifd(0x8769).update({36867: "2024:05:01 12:30:00", 37521: "25"})
    ...     image.save(Path(folder) / "a.jpg", exif=exif)
    ...     str(read_capture(Path(folder) / "a.jpg").time)
    '2024-05-01 12:30:00.250000'
    """
    path = Path(path)
    try:
        with _open_file(path) as file:
            exif = _open(file, path).getexif()
            inner = exif.get_ifd(_EXIF_IFD)
            camera = " ".join(str(exif[key]).strip(" \0") for key in (_MAKE, _MODEL) if key in exif)
            for time, fraction in _TIMES:
                if (taken := _parse_time(inner.get(time), inner.get(fraction))) is not None:
                    return Capture(taken, camera)
            return Capture(None, camera)
    except (
        Exception
    ):  # parsers of damaged metadata raise anything; whether the image can be read is found out elsewhere
        return Capture()


def _parse_time(text: object, fraction: object) -> datetime | None:
    try:
        time = datetime.strptime(str(text).strip(" \0"), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    digits = str(fraction or "").strip(" \0")
    return time + timedelta(seconds=float(f"0.{digits}")) if digits.isdecimal() and digits.isascii() else time
