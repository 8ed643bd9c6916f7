"""Where this package keeps what it can compute again."""

from __future__ import annotations

import os
from pathlib import Path

from iqa_zoo.errors import InputError


def cache_folder() -> Path:
    """Return ``$IQA_ZOO_CACHE``, else ``~/.cache/iqa_zoo``; it need not exist yet.

    Raises:
        InputError: the user has no home folder and the variable is not set.
    """
    try:
        return Path(os.environ.get("IQA_ZOO_CACHE") or Path.home() / ".cache" / "iqa_zoo").expanduser()
    except RuntimeError as error:  # a user id without an account, as in a container
        raise InputError(
            "there is no home folder to keep the cache in; set IQA_ZOO_CACHE to a folder that can be written"
        ) from error
