"""Independent work: the same results wherever it runs, and what fails or dies loses nothing else."""

import os
import signal
from pathlib import Path

import pytest
import torch

from iqa_zoo.engine import workers
from iqa_zoo.engine.workers import Failure, run_all
from iqa_zoo.errors import InputError


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


def dies(x: int) -> int:
    if x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


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


def test_a_worker_that_dies_loses_none_of_the_others():
    results = dict(run_all(dies, [(i,) for i in range(3)], jobs=2))
    assert (results[0], results[2]) == (0, 2)
    assert "killed" in results[1].error


def test_ray_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'iqa_zoo\[ray\]'"):
        list(run_all(square, [(1,)], ray="auto"))


def test_ray_gives_the_same_results():
    pytest.importorskip("ray")
    results = dict(run_all(divmod, [(7, 2), (7, 0)], ray="local"))  # a function that its processes can import
    assert results[0] == (3, 1)
    assert results[1].error == "ZeroDivisionError: integer division or modulo by zero"


def test_two_tries():
    assert workers.TRIES == 2
