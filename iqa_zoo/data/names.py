"""Match names of files and columns: exact first, then up to letter case and Unicode form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def normalize_name(name: str) -> str:
    """Normalize a name for comparison: Unicode NFC, case folded.

    >>> normalize_name("CAFE\\u0301.JPG") == normalize_name("caf\\u00e9.jpg")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def match_names(wanted: str, names: Iterable[str]) -> list[str]:
    """Return every name equal to ``wanted``, or if there is none, every name with the same normal form.

    >>> match_names("a.jpg", ["A.jpg", "a.jpg"]), match_names("a.JPG", ["A.jpg", "a.jpg", "b.jpg"])
    (['a.jpg'], ['A.jpg', 'a.jpg'])
    """
    names = list(names)
    exact = [name for name in names if name == wanted]
    return exact or [name for name in names if normalize_name(name) == normalize_name(wanted)]


def is_hidden(name: str) -> bool:
    """Whether a file is hidden or a lock file of an office program.

    >>> [is_hidden(name) for name in ("._scores.csv", "~$scores.xlsx", ".~lock.scores.csv#", "__MACOSX", "scores.csv")]
    [True, True, True, True, False]
    """
    return name.startswith((".", "~$")) or name == "__MACOSX"
