"""The cache folder of this package, and safe writes to it from several processes."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from iqa_zoo.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cache_folder() -> Path:
    """Return ``$IQA_ZOO_CACHE``, else ``~/.cache/iqa_zoo``; it may not exist yet.

    Raises:
        InputError: the user has no home folder and the variable is not set.
    """
    try:
        return Path(os.environ.get("IQA_ZOO_CACHE") or Path.home() / ".cache" / "iqa_zoo").expanduser()
    except RuntimeError as error:  # a user id without an account, as in a container
        raise InputError("there is no home folder for the cache; set IQA_ZOO_CACHE to a writable folder") from error


@contextmanager
def hold_lock(cache: Path, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a named lock in a cache; it is released when the process ends.

    Args:
        cache: the cache folder; the lock is an empty file in its subfolder ``locks``.
        name: name of the lock.
        wait: whether to wait for another process that holds the lock.

    Yields:
        Whether the lock is held; always True with ``wait``.

    Raises:
        InputError: the cache cannot be written, or its file system has no locks.
    """
    try:
        (cache / "locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / "locks" / f"{name}.lock")
        lock.acquire(timeout=-1 if wait else 0, poll_interval=0.02)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise make_cache_error(cache, error) from error
    except NotImplementedError as error:
        raise InputError(
            f"the file system of {cache} has no locks; set IQA_ZOO_CACHE to a folder on another disk"
        ) from error
    try:
        yield True
    finally:
        lock.release()


def write_file(path: Path, content: str) -> None:
    """Write a text file atomically; on failure the previous file stays.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_text(content, encoding="utf-8")
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def make_cache_error(folder: Path, error: OSError) -> InputError:
    """Make the error for a cache that cannot be written."""
    if error.errno in FULL:
        return InputError(f"the disk of {folder} is full; free space, or set IQA_ZOO_CACHE to a folder on another disk")
    return InputError(f"{folder} cannot be written ({error.strerror or error}); set IQA_ZOO_CACHE to a writable folder")
