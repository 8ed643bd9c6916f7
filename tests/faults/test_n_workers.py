"""A worker that is killed, or the server that workers are forked from, loses no result of the others."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import active_children, forkserver, get_all_start_methods
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.splits import Split
from iqa_zoo.studies.runner import select_succeeded
from iqa_zoo.training import workers
from iqa_zoo.training.frozen import trainings as records_of
from iqa_zoo.training.frozen.trainings import Training
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.workers import Failure, run_all
from tests.faults.worker_calls import kill_itself_once, kill_server, kill_server_once, wait, write_pid

pytestmark = pytest.mark.skipif("forkserver" not in get_all_start_methods(), reason="no server forks the workers here")


@pytest.fixture(scope="module", autouse=True)
def _servers_that_start_at_once() -> Iterator[None]:
    """Each test kills the server: the next one imports what these calls need, and nothing that a training needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])  # workers import the module of the calls
        patch.setattr(workers, "PRELOADED", [workers.__name__, "tests.faults.worker_calls"])
        stop_server()
        yield
        stop_server()  # tests that train need the whole one


def stop_server() -> None:
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def server() -> int:
    workers._start_server()
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    assert isinstance(pid, int)
    return pid


@pytest.mark.slow
def test_a_server_killed_before_the_work() -> None:
    os.kill(server(), signal.SIGKILL)
    assert dict(run_all(wait, [(0,), (1,)], jobs=2)) == {0: 0, 1: 1}


@pytest.mark.slow
def test_a_server_killed_between_two_results() -> None:
    results = {}
    for i, result in run_all(wait, [(i,) for i in range(4)], jobs=2):
        if not results:
            os.kill(server(), signal.SIGKILL)
        results[i] = result
    assert results == {i: i for i in range(4)}


@pytest.mark.parametrize("function", [pytest.param(kill_server_once, marks=pytest.mark.slow), kill_itself_once])
def test_a_call_that_kills_once_is_tried_again(tmp_path: Path, function) -> None:
    assert dict(run_all(function, [(str(tmp_path), i) for i in range(3)], jobs=2)) == {0: 0, 1: 1, 2: 2}
    assert (tmp_path / "killed").exists()


@pytest.mark.slow
def test_a_call_that_kills_the_server_every_time_is_reported_and_loses_no_other() -> None:
    before = set(active_children())
    results = dict(run_all(kill_server, [(i,) for i in range(3)], jobs=2))
    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], Failure)
    assert "killed" in results[1].error
    assert not set(active_children()) - before


@pytest.mark.slow
def test_no_worker_outlives_a_consumer_that_stops(tmp_path: Path) -> None:
    results = run_all(write_pid, [(str(tmp_path), i) for i in range(2)], jobs=2)
    next(results)
    results.close()
    pids = [int(file.name) for file in tmp_path.iterdir()]
    deadline = time.monotonic() + 120
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


class Bank:
    key = "features"


@pytest.mark.slow
def test_a_training_whose_process_is_killed_has_a_record_with_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object):
        yield 1, {"model": "b", "split": "s", "srocc": 0.5}
        yield 0, workers.KILLED

    monkeypatch.setattr(records_of, "run_all", run)
    split = Split(np.arange(5), np.arange(5, 10), np.arange(0), "s")
    trainings = [Training(model, {}, split, FrozenRecipe(), 0) for model in "ab"]
    records = dict(records_of.train_many(trainings, Bank(), None, None))  # type: ignore[arg-type]
    assert records[0]["model"] == "a"
    assert "the process was killed" in records[0]["error"]
    assert select_succeeded([records[0], records[1]]) == [records[1]]
