"""Numbers in the cells of a page's tables, by which the page sorts."""

from __future__ import annotations

import re

MOST_ROWS = 1000
UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
NUMBER = re.compile(r"^[\[(]?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: ([kMG]))?(?![\w])", re.IGNORECASE)


def parse_number(text: str) -> float | None:
    """Parse the number at the start of a cell.

    >>> [parse_number(text) for text in ("0.800 [0.790, 0.810]", "+0.03", "2.76 M", "[-0.1, 0.2]", "9 of 10", "10.bmp", "-")]
    [0.8, 0.03, 2760000.0, -0.1, 9.0, None, None]
    """
    found = NUMBER.match(text.replace("−", "-"))
    if not found or text[found.end() : found.end() + 1] == ".":
        return None
    return float(found[1]) * UNITS.get(found[2] or "", 1.0)
