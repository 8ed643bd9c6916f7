"""Print the variables of MATLAB files as JSON, one line per file: ``python mat_worker.py FILE...``

Runs as a subprocess, because damaged files crash scipy or exhaust the memory. It does not import the package.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

MOST_VALUES = 10**6  # per variable; longer ones are not labels
MOST_BYTES = 4 * 2**30  # of address space
HEADER, TAG, COMPRESSED = 128, 8, 15  # version 5: bytes of the header and of a tag, type of a compressed variable


def main(paths: list[str]) -> None:
    from scipy.io import loadmat  # before the limit, since libraries map more than they use
    from scipy.io.matlab import MatReadWarning

    _limit_memory()
    for path in paths:
        record: dict[str, Any]
        try:
            _check_streams(Path(path).read_bytes())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", MatReadWarning)  # a repeated variable
                content = loadmat(path)
            record = {"variables": {name: _convert(content[name]) for name in content if not name.startswith("__")}}
        except Exception as error:  # scipy raises anything on damaged files
            record = {"error": str(error) or type(error).__name__}
        print(json.dumps(record), flush=True)


def _convert(value: Any) -> list[Any] | str:
    """Convert a vector to a list; otherwise say what the value is."""
    import numpy as np

    if not isinstance(value, np.ndarray) or value.dtype.names or value.dtype.kind not in "biufUO":
        return "not a vector of text or numbers"
    if value.size > MOST_VALUES:
        return f"{value.size} values"
    if sum(size > 1 for size in value.shape) > 1:
        return f"a matrix of {' x '.join(map(str, value.shape))}"
    flat = value.astype(np.int64).ravel() if value.dtype.kind == "b" else value.ravel()
    return [_unpack(item) for item in flat] if value.dtype.kind == "O" else flat.tolist()


def _unpack(item: Any) -> str | float | None:
    """Unpack a cell; None unless it holds one text or number."""
    import numpy as np

    while isinstance(item, np.ndarray) and item.size == 1 and not item.dtype.names:
        item = item.item()
    if isinstance(item, np.generic):
        item = item.item()
    return item if isinstance(item, str | int | float) and not isinstance(item, bool) else None


def _check_streams(data: bytes) -> None:
    """Decompress every variable to verify its checksum, which scipy does not."""
    if data[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        return
    order: Any = "little" if data[126:127] == b"I" else "big"
    at = HEADER
    while at + TAG <= len(data):
        kind, size = (int.from_bytes(data[start : start + 4], order) for start in (at, at + 4))
        at += TAG
        if at + size > len(data):
            raise ValueError("it is cut off, or damaged")
        if kind == COMPRESSED:
            zlib.decompress(data[at : at + size])
        at += size


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; not above a lower limit
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
