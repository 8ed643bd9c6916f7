"""Commands whose output cannot be written say so in one line, before their work where it is long."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iqa_zoo.cli import main
from iqa_zoo.errors import InputError
from iqa_zoo.new_plugin import new_plugin


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "read-only"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def one_line(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("iqa-zoo: ")
    return printed.err.strip()


def test_a_folder_in_the_place_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a.yaml"
    folder.mkdir()
    assert one_line(capsys, "config", "deiqt", "-o", str(folder)).endswith(
        "a.yaml: exists already; choose another name or remove it"
    )
    run = tmp_path / "run"
    run.mkdir()
    (run / "tables.md").write_text("x")
    assert one_line(capsys, "report", str(run), "-o", str(folder)).endswith(
        "a.yaml: cannot be written (Is a directory)"
    )


def test_a_read_only_file_system(read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert one_line(capsys, "config", "deiqt", "-o", f"{read_only}/a.yaml").endswith(
        "cannot be written (Read-only file system)"
    )
    assert one_line(capsys, "new-plugin", "x", "--slot", "head", "--folder", f"{read_only}/x").endswith(
        "/x: cannot be written (Read-only file system)"
    )
    (tmp_path / "tables.md").write_text("x")
    assert one_line(capsys, "report", str(tmp_path), "-o", f"{read_only}/r.html").endswith("(Read-only file system)")


def test_a_file_that_stands_where_a_folder_should(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    said = one_line(capsys, "new-plugin", "x", "--slot", "head", "--folder", str(tmp_path / "file" / "x"))
    assert said.endswith(f"x: cannot be written ({tmp_path}/file is not a folder)")
    assert one_line(capsys, "config", "deiqt", "-o", str(tmp_path / "file" / "a.yaml")).endswith(
        f"there is no folder {tmp_path}/file"
    )


def test_no_half_of_a_plugin_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iqa_zoo import new_plugin as module

    count = 0

    def fill(path: Path, text: str) -> None:
        nonlocal count
        count += 1
        if count > 3:
            raise InputError(f"{path}: cannot be written (No space left on device)")
        path.write_text(text)

    monkeypatch.setattr(module, "write_text", fill)
    with pytest.raises(InputError, match="No space left"):
        new_plugin("x", ["head"], folder=tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_config_on_a_full_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: Path, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    assert one_line(capsys, "config", "deiqt", "-o", str(tmp_path / "a.yaml")).endswith(
        "a.yaml: cannot be written (No space left on device)"
    )
    assert not list(tmp_path.iterdir())


def test_strict_json(capsys: pytest.CaptureFixture[str]) -> None:
    from iqa_zoo.commands.shared import print_json

    print_json({"srocc": float("nan"), "all": [float("inf"), 1.0]})
    assert capsys.readouterr().out == '{\n  "srocc": null,\n  "all": [\n    null,\n    1.0\n  ]\n}\n'
