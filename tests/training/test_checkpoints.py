"""The latest checkpoint of a run, and the error that names it."""

import errno
import os

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.training.checkpoints import find_latest_checkpoint, make_write_error


@pytest.fixture
def folder(tmp_path):
    for name in ("step-00000004", "step-00000012", "step-00000016.partial", "other"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_the_most_steps_without_what_is_half_written(folder):
    assert find_latest_checkpoint(folder) == folder / "step-00000012"


def test_there_is_none(tmp_path):
    assert find_latest_checkpoint(tmp_path) is None
    assert find_latest_checkpoint(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"), (RuntimeError("half"), "half")],
)
def test_the_error_says_how_to_go_on(error, reason, folder, tmp_path):
    file = tmp_path / "history.json"
    found = make_write_error(file, error, folder)
    assert isinstance(found, InputError)
    assert str(found) == (
        f"{file}: cannot be written ({reason}); the last good checkpoint is {folder / 'step-00000012'}: make room and go "
        "on with --resume"
    )
    assert "there is no checkpoint yet: name another folder" in str(make_write_error(file, error, tmp_path / "none"))
