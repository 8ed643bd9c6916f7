"""Run independent calls on a Ray cluster; those of a node that is lost run again on another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from iqa_zoo.errors import InputError
from iqa_zoo.training.calls import Call, describe_failure, run_on_one_thread
from iqa_zoo.user_files import VARIABLE

LOSSES = 3  # of the process or node that runs a call, before the call counts as failed
WAITING = 1000  # calls that Ray knows of at a time


def run_on_ray(
    function: Callable[..., Any], calls: Sequence[Call], address: str, gpus: int = 0
) -> Iterator[tuple[int, Any]]:
    """Yield what :func:`iqa_zoo.training.workers.run_all` yields; each call takes one core, or ``gpus`` and no core of its own.

    Raises:
        InputError: Ray is not installed or cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray needs Ray, which is not installed: pip install 'iqa_zoo[ray]'") from error
    try:
        ray.init(
            address=None if address == "local" else address,
            ignore_reinit_error=True,
            log_to_driver=False,
            runtime_env={"env_vars": {VARIABLE: os.environ.get(VARIABLE, "")}},
        )
    except ConnectionError as error:
        raise InputError(
            f"there is no Ray cluster at {address!r} ({error}); start one with: ray start --head"
        ) from error
    times = Counter(id(argument) for call in calls for argument in call)
    shared: dict[int, Any] = {}

    def send(argument: Any) -> Any:
        if times[id(argument)] == 1:
            return argument
        if id(argument) not in shared:  # a dataset that every call has travels once
            shared[id(argument)] = ray.put(argument)
        return shared[id(argument)]

    remote = ray.remote(num_cpus=0 if gpus else 1, num_gpus=gpus, max_retries=LOSSES)(run_on_one_thread)
    left, pending = iter(range(len(calls))), dict[Any, int]()
    try:
        while True:
            while len(pending) < WAITING and (i := next(left, None)) is not None:
                pending[remote.remote(function, *map(send, calls[i]))] = i
            if not pending:
                return
            done, _ = ray.wait(list(pending), num_returns=1)
            i = pending.pop(done[0])
            try:
                result = ray.get(done[0])
            except ray.exceptions.RayError as error:
                result = describe_failure(error)
            yield i, result
    finally:
        with suppress(ray.exceptions.RayError):  # the cluster is gone
            for running in pending:
                ray.cancel(running, force=True)
        ray.shutdown()
