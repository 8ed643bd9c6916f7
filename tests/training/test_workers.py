"""Independent work: the same results wherever it runs, and what fails or dies loses nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_all_start_methods
from pathlib import Path

import pytest
import torch

from iqa_zoo.errors import InputError
from iqa_zoo.training import workers
from iqa_zoo.training.workers import Failure, run_all


@pytest.fixture(autouse=True)
def _processes_can_import_this_module(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # other processes begin with the sys.path of this one


def square(x: int) -> tuple[int, int]:
    return x * x, torch.get_num_threads()


def odd(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd\nand more")
    return x


def fails_once(folder: str, x: int) -> int:
    marker = Path(folder) / str(x)
    if not marker.exists():
        marker.touch()
        raise OSError("the disk was busy")
    return x


def waits(folder: str, _: int) -> None:
    (Path(folder) / str(os.getpid())).touch()
    while True:
        time.sleep(0.05)


def dies(x: int) -> int:
    if x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def origin(_: int) -> tuple[int, bool]:
    return os.getppid(), "iqa_zoo.training.frozen.decoder" in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_with_their_position_and_from_one_thread(jobs):
    threads = torch.get_num_threads()
    assert sorted(run_all(square, [(i,) for i in range(4)], jobs=jobs)) == [(i, (i * i, 1)) for i in range(4)]
    assert torch.get_num_threads() == threads


def test_what_fails_is_tried_twice_and_loses_only_itself(tmp_path):
    results = dict(run_all(odd, [(i,) for i in range(4)]))
    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], Failure)
    assert results[1].error == "ValueError: 1 is odd"
    assert "in odd" in results[1].trace
    assert dict(run_all(fails_once, [(str(tmp_path), i) for i in range(2)])) == {0: 0, 1: 1}


@pytest.mark.slow
def test_a_worker_that_dies_loses_none_of_the_others():
    results = dict(run_all(dies, [(i,) for i in range(3)], jobs=2))
    assert (results[0], results[2]) == (0, 2)
    assert "killed" in results[1].error


@pytest.mark.slow
@pytest.mark.skipif("forkserver" not in get_all_start_methods(), reason="this system starts workers anew")
def test_workers_come_from_one_server_that_has_imported_what_a_training_needs():
    workers.warm_up(2)
    first, second = ([born for _, born in run_all(origin, [(0,), (1,)], jobs=2)] for _ in range(2))
    assert len({parent for parent, _ in first + second} - {os.getpid()}) == 1
    assert all(imported for _, imported in first + second)


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import sys; from iqa_zoo.training import workers; from tests.training.test_workers import waits; "
        "workers.PRELOADED = [workers.__name__]; "  # all that these calls need
        "list(workers.run_all(waits, [(sys.argv[1], i) for i in range(2)], jobs=2))"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2 or parent.poll() is not None)
    parent.kill()
    parent.wait()
    processes = [int(file.name) for file in tmp_path.iterdir()]
    assert len(processes) == 2
    wait_until(lambda: not any(is_running(process) for process in processes))


def wait_until(met: Callable[[], bool]) -> None:
    for _ in range(6000):  # 300 s: a busy machine takes minutes to import torch
        if met():
            return
        time.sleep(0.05)
    pytest.fail("in vain")


def is_running(process: int) -> bool:
    """A process whose parent never asks how it ended stays in the table: that has ended too."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_ray_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'iqa_zoo\[ray\]'"):
        list(run_all(square, [(1,)], ray="auto"))


@pytest.mark.slow
def test_ray_gives_the_same_results():
    pytest.importorskip("ray")
    results = dict(run_all(divmod, [(7, 2), (7, 0)], ray="local"))  # a function that its processes can import
    assert results[0] == (3, 1)
    assert results[1].error == "ZeroDivisionError: integer division or modulo by zero"


def test_two_tries():
    assert workers.TRIES == 2
