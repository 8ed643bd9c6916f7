"""One sentence about a model, with the number it rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found, in words.

    Attributes:
        kind: a short name, the same for every finding of this kind.
        words: a sentence that states the number measured and, for a warning, the threshold.
        warning: whether it says that a part does nothing or not what it is for.
    """

    kind: str
    words: str
    warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.words}" if self.warning else self.words
