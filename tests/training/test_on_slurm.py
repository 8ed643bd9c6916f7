"""Calls as jobs of Slurm, by submitit's local executor."""

import os
import signal
from pathlib import Path

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.training.calls import Failure
from iqa_zoo.training.workers import run_all

pytest.importorskip("submitit")


@pytest.fixture(autouse=True)
def _jobs_can_import_this_module(monkeypatch, tmp_path):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path))
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(root)


def work(folder: str, x: int) -> int:
    """Be killed at the first try of 1, at every try of 2."""
    marker = Path(folder) / f"{x}.begun"
    if x == 2 or (x == 1 and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1 // x


@pytest.mark.slow
def test_a_job_that_is_killed_runs_once_more_and_costs_no_other(tmp_path, monkeypatch):
    # submitit waits 15 s for the result of a job that has ended, for file systems that are behind.
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)
    results = dict(run_all(work, [(str(tmp_path), x) for x in (1, 0, 2)], slurm="local"))
    assert results[0] == 1
    assert results[1].error == "ZeroDivisionError: integer division or modulo by zero"
    assert isinstance(results[2], Failure)
    assert "ended without a result; its log is " in results[2].error
    assert not list((tmp_path / "slurm").glob("*result.pkl"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("cpu", "'cpu' is not KEY=VALUE; give local, auto, or settings of sbatch such as partition=cpu,time=60"),
        ("partition=", "'partition' is not KEY=VALUE"),
        ("auto", "--slurm auto: .*[sS]lurm"),
        ("partion=cpu", "--slurm partion=cpu: "),
    ],
)
def test_what_cannot_be_submitted_is_one_message(settings, message, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=message):
        list(run_all(divmod, [(7, 2)], slurm=settings))


def test_submitit_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(InputError, match=r'pip install "iqa-zoo\[slurm\]"'):
        list(run_all(divmod, [(7, 2)], slurm="local"))
