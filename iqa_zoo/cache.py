"""Where this package keeps what it can compute again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$IQA_ZOO_CACHE``, else ``~/.cache/iqa_zoo``; it need not exist yet."""
    return Path(os.environ.get("IQA_ZOO_CACHE") or Path.home() / ".cache" / "iqa_zoo").expanduser()
