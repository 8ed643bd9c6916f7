"""Ctrl-C and SIGTERM end a command with one line that says how to go on: no traceback, no process and no folder stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.program import Terminated, run_program

ROOT = Path(__file__).resolve().parents[2]
STUDY = [
    "linear_probe", "--data", "table", "--root", "photos", "--splits", "4", "--crops", "1", "--batch-size", "4",
    "--backbone", "test_resnet", "--selection", "last", "--no-latency", "--out", "run",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("interrupted")
    (root / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (160, 160, 3), dtype=np.uint8)).save(root / f"photos/{i}.png")
    (root / "photos/labels.csv").write_text("image,mos\n" + "".join(f"{i}.png,{i}\n" for i in range(40)))
    return root


def begin(folder: Path, *command: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "IQA_ZOO_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own, as a terminal gives to each command
    )


def wait_until(met: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.05)


def read_until(process: subprocess.Popen[str], start: str) -> str:
    """What a process prints on stderr up to a line that starts so."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(start):
            break
    return "".join(lines)


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            found.append(int(status.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_in_a_study(folder: Path, jobs: str) -> None:
    study = [str(ROOT / "benchmarks" / "compare.py"), *STUDY, "--jobs", jobs, "--epochs", f"200{jobs}0"]
    process = begin(folder, *study)
    err = read_until(process, "training: ")
    time.sleep(6)  # features, and the workers import torch
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    err += process.stderr.read()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert (
        err.splitlines()[-1] == "iqa-zoo: interrupted; 0 of 4 trainings are kept; the same command goes on from there"
    )
    assert out == ""
    wait_until(lambda: not members(process.pid), 20)
    left = {path.name for path in (folder / "cache").rglob("*")}
    assert not [name for name in left if "partial" in name or "tmp" in name]
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_what_was_trained_before_an_interrupt_is_not_trained_again(folder: Path) -> None:
    """The first trainings end soon, the interrupt comes after the first split was reported."""
    study = [str(ROOT / "benchmarks" / "compare.py"), *STUDY, "--jobs", "1", "--epochs", "60"]
    process = begin(folder, *study)
    read_until(process, "split 1 ")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.stderr is not None
    rest = process.stderr.read()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in rest
    kept = int(rest.splitlines()[-1].split()[2])
    assert (
        rest.splitlines()[-1]
        == f"iqa-zoo: interrupted; {kept} of 4 trainings are kept; the same command goes on from there"
    )
    assert 1 <= kept <= 4
    again = begin(folder, *study)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert len(list((folder / "cache" / "runs").glob("*.json"))) >= 4


@pytest.mark.slow
def test_ctrl_c_in_a_command(folder: Path) -> None:
    code = "import sys, time; from iqa_zoo import cli; from iqa_zoo.commands import list as c; c.run = lambda a: time.sleep(60)"
    run = "import iqa_zoo.commands.list as c\nprint('ready', flush=True)\nsys.exit(cli.main(['power', '--images', '3000', '--data', 'livec']))"
    process = begin(folder, "-c", f"{code}\n{run}")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (130, "iqa-zoo: interrupted")
    assert "Traceback" not in err


def test_the_line_and_the_code_of_an_interrupt() -> None:
    said: list[str] = []

    def interrupted() -> int:
        raise KeyboardInterrupt("3 of 4 trainings are kept")

    def terminated() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert run_program(interrupted, said.append) == 130
    assert run_program(terminated, said.append) == 143
    assert said == ["interrupted; 3 of 4 trainings are kept", "interrupted"]
    assert signal.getsignal(signal.SIGTERM) is before
    assert issubclass(Terminated, KeyboardInterrupt)


def test_a_bug_keeps_its_traceback() -> None:
    def wrong() -> int:
        raise FileNotFoundError(2, "No such file or directory", "of-a-bug.txt")

    with pytest.raises(FileNotFoundError, match="of-a-bug"):
        run_program(wrong, lambda _: None)
