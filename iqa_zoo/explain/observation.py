"""One sentence about a model, with the number that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Observation:
    """One observation about a model.

    Attributes:
        kind: a short name for this type of observation.
        text: a sentence with the measured number and, for a warning, the threshold.
        warning: whether a part has no effect or does not serve its purpose.
    """

    kind: str
    text: str
    warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.warning else self.text

    def to_dict(self) -> dict[str, Any]:
        """The observation as a JSON record."""
        return {"kind": self.kind, "text": self.text, "warning": self.warning}
