"""Every output of a study is tried before the work, and what cannot be written after it all the same leaves nothing half written."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from iqa_zoo import outputs
from iqa_zoo.cli import main
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_study
from iqa_zoo.reports.plots import write_figure
from iqa_zoo.reports.table import Table
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.studies.study import Study

RESULTS: dict[str, Any] = {
    "runs": [{"model": "a", "split": "s", "srocc": float("nan")}, {"model": "b", "split": "s", "srocc": 0.5}],
}
TABLE = Table("Models", ["model"], [["a → b"]])


def figures(_: object) -> dict[str, Figure]:
    figure = Figure()
    figure.subplots()
    return {"plot": figure}


class MadeUpReport:
    make_figures = staticmethod(figures)

    def make_tables(self, _: object) -> list[Table]:
        return [TABLE]

    def make_sentences(self, _: object) -> list[str]:
        return ["Undecided."]


Began = list[bool]


@pytest.fixture(autouse=True)
def began(scratch_registry: None) -> Began:
    """A study whose results are made up; whether its work began."""
    work: Began = []

    @register_study("made_up")
    class MadeUp(Study):
        """Made-up results."""

        report = MadeUpReport()
        takes_models = (0, 0)

        def run(self, *_: object) -> dict[str, Any]:
            work.append(True)
            return RESULTS

    return work


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, **outputs: Path) -> int:
    """Run it as a command, with a default run folder and files by option; return the exit code."""
    monkeypatch.setattr(StudySpec, "folder", lambda _: folder)
    return main(["made-up", *(word for flag, path in outputs.items() for word in (f"--{flag}", str(path)))])


@pytest.mark.parametrize(("flag", "suffix"), [("json", "json"), ("csv", "csv"), ("markdown", "md"), ("html", "html")])
@pytest.mark.parametrize(
    ("path", "said"), [("folder", "Is a directory"), ("no/r", "there is no folder"), ("/proc/r", "cannot be written")]
)
def test_an_output_that_cannot_be_written_ends_it_before_the_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    began: Began,
    flag: str,
    suffix: str,
    path: str,
    said: str,
) -> None:
    folder = tmp_path / f"folder.{suffix}"
    folder.mkdir()
    assert run(monkeypatch, tmp_path / "run", **{flag: tmp_path / f"{path}.{suffix}"}) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert (began, printed.out, list(tmp_path.iterdir())) == ([], "", [folder])


def test_a_run_folder_that_cannot_be_made_ends_it_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], began: Began
) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (Path("/proc/run"), tmp_path / "file", tmp_path / "file" / "run"):
        assert run(monkeypatch, tmp_path / "run", out=folder) == 2
        assert run(monkeypatch, folder) == 2
        assert "cannot be written" in capsys.readouterr().err
    (tmp_path / "run" / "results.json").mkdir(parents=True)
    assert run(monkeypatch, tmp_path / "run") == 2
    assert not began


@pytest.mark.slow
def test_everything_is_whole_and_strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"json": tmp_path / "r.json", "csv": tmp_path / "r.csv", "markdown": tmp_path / "r.md"}
    assert run(monkeypatch, tmp_path / "runs" / "a", **given) == 0
    kept = sorted(path.name for path in (tmp_path / "runs" / "a").iterdir())
    assert kept == ["plot.pdf", "plot.png", "plot.svg", "results.json", "runs.csv", "tables.md"]
    strict = json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
    assert [run["srocc"] for run in strict["runs"]] == [None, 0.5]
    assert (tmp_path / "r.csv").read_text().splitlines()[1].startswith("a,,s,,,,")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.json", "r.md", "runs"]


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_disk_that_fills_up_after_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    """The first writes succeed, the others do not; the tables are printed all the same."""
    written = []
    write_beside = outputs._write_beside

    def fill(target: Path, content: bytes) -> Path:
        if content != outputs.PROBE:
            written.append(target)
            if len(written) > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_beside(target, content)

    monkeypatch.setattr(outputs, "_write_beside", fill)
    assert run(monkeypatch, tmp_path / "run", json=tmp_path / "r.json") == 2
    printed = capsys.readouterr()
    assert "Undecided." in printed.out
    assert "cannot be written (No space left on device)" in printed.err
    assert (
        "finished trainings are kept: the same command (without --fresh) writes the results without training again"
        in printed.err
    )
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {path.name for path in written[:room]}
    assert (tmp_path / "run").exists() == (room > 0)


def test_a_bug_in_a_table_loses_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> list[Table]:
        raise SystemError("a bug")

    monkeypatch.setattr(MadeUpReport, "make_tables", wrong)
    with pytest.raises(SystemError):
        run(monkeypatch, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["runs"]


def test_a_figure_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plot.svg"
    write_figure(figures(None)["plot"], file)
    before = file.read_bytes()
    assert before.startswith(b"<?xml")

    def refuse(self: Path, target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="No space left"):
        write_figure(figures(None)["plot"], file)
    assert (file.read_bytes(), os.listdir(tmp_path)) == (before, ["plot.svg"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], began: Began
) -> None:
    (small_disk / "filler").write_bytes(b"x" * 396 * 1024)
    if (
        run(monkeypatch, small_disk / "run", json=small_disk / "r.json") == 2 and not began
    ):  # not a block was left: known before the work
        assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert [path.name for path in small_disk.iterdir() if path.is_file()] == ["filler"]


def test_results_larger_than_the_disk(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RESULTS, "predictions", "x" * 500_000)
    assert run(monkeypatch, small_disk / "run", json=small_disk / "r.json") == 2
    said = capsys.readouterr().err
    assert f"{small_disk}/run/results.json: cannot be written (No space left on device)" in said
    assert f"{small_disk}/r.json: cannot be written (No space left on device)" in said
    assert list(small_disk.iterdir()) == []
