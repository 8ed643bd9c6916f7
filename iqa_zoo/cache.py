"""Where this package keeps what it can compute again."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$IQA_ZOO_CACHE``, else ``~/.cache/iqa_zoo``; it need not exist yet."""
    return Path(os.environ.get("IQA_ZOO_CACHE") or Path.home() / ".cache" / "iqa_zoo").expanduser()


def write_file(path: Path, content: str) -> None:
    """Write a text file so that no other process ever reads half of it; where that fails, what was there stays.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
