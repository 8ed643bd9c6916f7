"""Outputs that the user names: the probe leaves nothing, a failed write leaves what was there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_folder_writable, check_writable, write_bytes, write_text


@pytest.mark.parametrize(
    "write", [check_writable, lambda path: write_text(path, "a"), lambda path: write_bytes(path, b"a")]
)
def test_a_folder_in_its_place_and_a_missing_folder(tmp_path: Path, write) -> None:
    with pytest.raises(InputError, match=r": cannot be written \(Is a directory\)$"):
        write(tmp_path)
    with pytest.raises(InputError, match=f"^{tmp_path}/no/a.csv: there is no folder {tmp_path}/no$"):
        write(tmp_path / "no/a.csv")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="there is no folder"):
        write(tmp_path / "file/a.csv")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / ("a" * 300))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_probe_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    check_writable(file)
    assert not list(tmp_path.iterdir())
    file.write_text("before")
    check_writable(file)
    assert file.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(InputError, match="exists already; choose another name or remove it"):
        check_writable(file, new=True)


def test_a_place_where_no_file_can_be_made() -> None:
    with pytest.raises(InputError, match=r"^/proc/a.csv: cannot be written \("):
        check_writable("/proc/a.csv")
    with pytest.raises(InputError, match=r"^/proc/run: cannot be written \("):
        check_folder_writable("/proc/run")


def test_a_device_is_written_directly_and_its_error_is_a_line() -> None:
    check_writable("/dev/null")
    write_text("/dev/null", "a")
    with pytest.raises(InputError, match=r"^/dev/full: cannot be written \(No space left on device\)$"):
        write_text("/dev/full", "a")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_text("before")

    def refuse(self: Path, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="No space left on device"):
        write_text(file, "after")
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_link_stays_and_the_mode_too(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    target.chmod(0o600)
    link.symlink_to(target)
    write_text(link, "after\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"after\n"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_name_that_is_not_utf_8_comes_back_from_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_text(tmp_path / "a.json", json.dumps([name], ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


def test_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    check_folder_writable(tmp_path / "a/b")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a").write_text("x")
    with pytest.raises(InputError, match=f"{tmp_path}/a is not a folder"):
        check_folder_writable(tmp_path / "a/b")
