"""Ctrl-C and SIGTERM end a command with one line that says how to go on: no traceback, no process and no folder stays."""

from __future__ import annotations

import json
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

from iqa_zoo.cli import main
from iqa_zoo.program import Terminated, run_program

ROOT = Path(__file__).resolve().parents[2]
STUDY = [
    "linear_probe", "--data", "table", "--root", "photos", "--splits", "4", "--crops", "1", "--batch-size", "4",
    "--backbone", "test_resnet", "--selection", "last", "--no-latency", "--out", "run",
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (160, 160, 3), dtype=np.uint8)).save(root / f"{i}.png")
    (root / "labels.csv").write_text("image,mos\n" + "".join(f"{i}.png,{i}\n" for i in range(40)))
    return root


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    (tmp_path / "photos").symlink_to(photos)
    return tmp_path


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


def wait_until(met: Callable[[], bool], seconds: float = 300) -> None:
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


# A command in this process; each training leaves a file as it begins, and one of them terminates the process.
TRAININGS = """
import os, signal, sys
from pathlib import Path
from iqa_zoo.cli import main
from iqa_zoo.training.frozen import trainings

train, number = trainings.train_one, 0


def train_one(*arguments, **settings):
    global number
    number += 1
    Path(f"begun-{number}").touch()
    if number == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)
    return train(*arguments, **settings)


trainings.train_one = train_one
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_in_a_study(folder: Path, jobs: str) -> None:
    """While trainings go on that would take very long."""
    words = [*STUDY, "--jobs", jobs, "--epochs", f"200{jobs}0"]
    if jobs == "1":
        process = begin(folder, "-c", TRAININGS, "0", "compare", *words)
    else:
        process = begin(folder, str(ROOT / "benchmarks" / "compare.py"), *words)
    err = read_until(process, "training: ")
    if jobs == "1":
        wait_until(lambda: (folder / "begun-1").exists())
    else:  # the command, two servers and two workers
        wait_until(lambda: len(members(process.pid)) >= 5)
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    err += process.stderr.read()
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert (
        err.splitlines()[-1] == "iqa-zoo: interrupted; 0 of 8 trainings are kept; the same command goes on from there"
    )
    assert out == ""
    wait_until(lambda: not members(process.pid))
    left = {path.name for path in (folder / "cache").rglob("*")}
    assert not [name for name in left if "partial" in name or "tmp" in name]
    assert not (folder / "run").exists()


@pytest.mark.slow
def test_what_was_trained_before_an_interrupt_is_not_trained_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM as the third of eight trainings begins; then the same command again."""
    study = ["compare", *STUDY, "--jobs", "1", "--epochs", "6"]
    process = begin(folder, "-c", TRAININGS, "3", *study)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert (
        err.splitlines()[-1] == "iqa-zoo: interrupted; 2 of 8 trainings are kept; the same command goes on from there"
    )
    assert not (folder / "run").exists()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(folder / "cache"))
    assert main(study) == 0
    results = json.loads((folder / "run" / "results.json").read_text())
    assert [run["resumed"] for run in results["runs"]] == [True, True, *[False] * 6]
    assert len(list((folder / "cache" / "runs").glob("*.json"))) == 8


@pytest.mark.slow
def test_ctrl_c_in_a_command(folder: Path) -> None:
    code = (
        "import sys, time\n"
        "from iqa_zoo import cli\n"
        "from iqa_zoo.commands import list as command\n"
        "command.run = lambda arguments: print('ready', flush=True) or time.sleep(600)\n"
        "sys.exit(cli.main(['list']))"
    )
    process = begin(folder, "-c", code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
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
