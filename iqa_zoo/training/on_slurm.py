"""Run independent calls as jobs of Slurm, through submitit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from iqa_zoo.cache import cache_folder
from iqa_zoo.config_file import parse_value
from iqa_zoo.errors import InputError
from iqa_zoo.training.calls import TRIES, Call, Failure, describe_failure, run_on_one_thread
from iqa_zoo.user_files import VARIABLE, import_named_files

LOCAL = "local"  # processes of this machine, to try what Slurm would run
MINUTES = 60  # of each job, where time= does not say otherwise
ARRAY = 1000  # jobs of one array, as many as Slurm takes where its settings do not say otherwise
OFTEN, SELDOM = 0.2, 10.0  # seconds between two looks at local jobs, and at those of Slurm
EXAMPLE = "local, auto, or settings of sbatch such as partition=cpu,time=60"


def run_on_slurm(function: Callable[..., Any], calls: Sequence[Call], settings: str) -> Iterator[tuple[int, Any]]:
    """Yield what :func:`iqa_zoo.training.workers.run_all` yields; each call is a job of an array, on one core.

    A job that is killed, preempted or runs out of time is submitted once more. Logs are in ``slurm/`` of the cache folder, which all
    machines need to share.

    Args:
        settings: ``auto``, ``local`` for processes of this machine, or ``partition=cpu,time=60``: settings that ``sbatch`` knows,
            time in minutes.

    Raises:
        InputError: submitit is not installed, there is no Slurm here, or a setting is none.
    """
    executor = _make_executor(settings)
    pause, most = (OFTEN, os.cpu_count() or 1) if settings == LOCAL else (SELDOM, ARRAY)
    left = list(range(len(calls)))
    environment = os.environ.get(VARIABLE, "")
    for attempt in range(TRIES):
        lost: list[int] = []
        for start in range(0, len(left), most):
            chosen = left[start : start + most]
            with executor.batch():
                jobs = [executor.submit(_run_job, environment, function, *calls[i]) for i in chosen]
            yield from _follow(dict(zip(jobs, chosen, strict=True)), lost, pause, last=attempt == TRIES - 1)
        left = lost
        if not left:
            return


def _run_job(user_files: str, function: Callable[..., Any], *call: Any) -> Any:
    os.environ[VARIABLE] = user_files
    import_named_files()
    return run_on_one_thread(function, *call)


def _follow(jobs: dict[Any, int], lost: list[int], pause: float, *, last: bool) -> Iterator[tuple[int, Any]]:
    """Yield the results of jobs as they end; the call of a job without a result goes to ``lost``, or fails at the ``last`` try."""
    import submitit

    try:
        for job in submitit.helpers.as_completed(list(jobs), poll_frequency=pause):
            i = jobs.pop(job)
            result: Any
            try:
                result = job.result()
            except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as error:
                if not last:
                    lost.append(i)
                    continue
                result = Failure(f"job {job.job_id} ended without a result; its log is {job.paths.stderr}", str(error))
            except Exception as error:  # of pickling
                result = describe_failure(error)
            else:
                for file in (job.paths.submitted_pickle, job.paths.result_pickle):
                    file.unlink(missing_ok=True)
            yield i, result
    finally:  # an interrupt, or the caller stops
        for job in jobs:
            job.cancel(check=False)


def _make_executor(settings: str) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise InputError('--slurm needs submitit, which is not installed: pip install "iqa-zoo[slurm]"') from error
    folder = cache_folder() / "slurm"
    if settings in (LOCAL, "auto"):
        given: dict[str, Any] = {}
    else:
        pairs = [pair.partition("=") for pair in settings.split(",")]
        if wrong := [key for key, equals, value in pairs if not (key and equals and value)]:
            raise InputError(f"--slurm {settings}: {wrong[0]!r} is not KEY=VALUE; give {EXAMPLE}")
        given = {f"slurm_{key}": parse_value(value) for key, _, value in pairs}
    try:
        executor = submitit.AutoExecutor(folder, cluster=LOCAL if settings == LOCAL else "slurm")
        executor.update_parameters(name="iqa_zoo", cpus_per_task=1, timeout_min=MINUTES, **given)
    except (RuntimeError, NameError, TypeError, ValueError) as error:
        raise InputError(f"--slurm {settings}: {error}; give {EXAMPLE}") from error
    return executor
