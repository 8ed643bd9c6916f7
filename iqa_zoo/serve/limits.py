"""What the server accepts: sizes, counts and times. Imports no torch and no web framework."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from iqa_zoo.data.images import decode_size
from iqa_zoo.data.listing import escape_path
from iqa_zoo.errors import InputError

MEGA = 1_000_000
LONGEST_NAME = 120  # characters of a file name in an answer
_FORM = 64_000  # bytes that the multipart form may add to a photograph


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        photographs: in one request.
        file_megabytes: of one photograph.
        request_megabytes: of a request.
        megapixels: of one photograph, read from its header before it is decoded.
        ratio: of the long side to the short one. A photograph that is narrower would be enlarged beyond all memory.
        at_once: requests whose photographs are held at a time; others wait.
        wait_seconds: for their turn.
        upload_seconds: until a request has arrived.
        header_seconds: until the head of a request has arrived.
        score_seconds: until a photograph is scored, waiting included.
        connections: open at a time.
        regions: of a score map.
    """

    photographs: int = 16
    file_megabytes: int = 32
    request_megabytes: int = 64
    megapixels: int = 64
    ratio: int = 20
    at_once: int = 16
    wait_seconds: float = 120.0
    upload_seconds: float = 60.0
    header_seconds: float = 10.0
    score_seconds: float = 120.0
    connections: int = 512
    regions: int = 60

    @property
    def request_bytes(self) -> int:
        return self.request_megabytes * MEGA + _FORM

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def check_photograph(self, content: bytes, name: str) -> None:
        """Check a photograph by its size and its header, before it is decoded.

        Raises:
            InputError: it is too large, too narrow, or no image; names it.

        >>> Limits(file_megabytes=1).check_photograph(bytes(1_000_001), "a.png")
        Traceback (most recent call last):
            ...
        iqa_zoo.errors.InputError: a.png has 1.0 MB; at most 1 MB are accepted: reduce it
        """
        if not content:
            raise InputError(f"{name} is empty")
        if len(content) > self.file_megabytes * MEGA:
            raise InputError(
                f"{name} has {len(content) / MEGA:.1f} MB; at most {self.file_megabytes} MB are accepted: reduce it"
            )
        height, width = decode_size(content, name)
        if height * width > self.megapixels * MEGA:
            raise InputError(
                f"{name} is {width}x{height} pixels (width x height, {height * width / MEGA:.0f} megapixels); at most "
                f"{self.megapixels} megapixels are accepted: reduce it"
            )
        if max(height, width) > self.ratio * min(height, width):
            raise InputError(
                f"{name} is {width}x{height} pixels (width x height); the long side may be at most {self.ratio} times the short "
                "one: cut it up"
            )


def clean_name(name: str | None) -> str:
    """Return a file name that a client sent as text that is safe to print: its last part, without control characters, shortened.

    >>> clean_name("../../etc/a\\n.png"), clean_name(None), len(clean_name("x" * 500 + ".png"))
    ('a .png', 'the photograph', 120)
    """
    base = (name or "").replace("\\", "/").rpartition("/")[2]
    text = "".join(letter if letter.isprintable() else " " for letter in escape_path(base.replace("\0", " "))).strip()
    if len(text) > LONGEST_NAME:
        text = f"{text[: LONGEST_NAME - 13]}...{text[-10:]}"
    return text or "the photograph"
