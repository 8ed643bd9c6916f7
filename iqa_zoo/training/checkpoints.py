"""Find the checkpoints of a run, also when the disk is full; imports no torch."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.errors import InputError

PREFIX = "step-"


def find_latest_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of the most steps, or None where there is none."""
    found = sorted(path for path in folder.glob(f"{PREFIX}*") if path.suffix != ".partial")
    return found[-1] if found else None


def make_write_error(path: Path, error: Exception, checkpoints: Path) -> InputError:
    """Return the error of a full disk or a folder that cannot be written; it names the checkpoint to resume from."""
    reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    last = find_latest_checkpoint(checkpoints)
    if last is None:
        return InputError(f"{path}: cannot be written ({reason}); there is no checkpoint yet: name another folder")
    return InputError(
        f"{path}: cannot be written ({reason}); the last good checkpoint is {last}: make room and go on with --resume"
    )
