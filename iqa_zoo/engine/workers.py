"""Run independent pieces of work: in this process, in several, or on a Ray cluster. What fails is tried once more."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver, get_all_start_methods, get_context, parent_process
from multiprocessing.context import BaseContext
from typing import Any

import torch

from iqa_zoo.errors import InputError

TRIES = 2
PRELOADED = ["iqa_zoo.engine.trainings", "iqa_zoo.backbones.timm_features"]  # what a training imports, torch included
Call = tuple[Any, ...]


@dataclass(frozen=True)
class Failure:
    """A piece of work that failed every time: the last error in a line, and where it was raised."""

    error: str
    trace: str = ""


def run_all(
    function: Callable[..., Any], calls: Sequence[Call], *, jobs: int = 1, ray: str | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield (position in ``calls``, what ``function(*call)`` returned or a :class:`Failure`) as they finish.

    Every call runs on one thread, so that the results do not depend on ``jobs``. An exception loses only its own call; a
    worker that dies (for want of memory, say) loses none of the others. An interrupt stops them all.

    Args:
        function: of a module, as other processes import it.
        calls: its arguments, which travel to other processes.
        jobs: processes; 1 is this one.
        ray: address of a Ray cluster (``auto``, ``local`` or as ``ray.init`` takes it), in the place of ``jobs``. Its
            machines need this environment and the same cache folder.

    Raises:
        InputError: Ray is asked for and not installed, or cannot be reached.

    >>> list(run_all(divmod, [(7, 2), (7, 0)]))
    [(0, (3, 1)), (1, Failure(error='ZeroDivisionError: integer division or modulo by zero', trace=...))]
    """
    if ray is not None:
        yield from _on_ray(function, calls, ray)
    elif jobs == 1:
        yield from _here(function, calls)
    else:
        yield from _in_processes(function, calls, jobs)


def warm_up(jobs: int) -> None:
    """Let what workers import be imported now, in the background, where there will be any; they then start in no time."""
    if jobs > 1 and _context().get_start_method() == "forkserver":
        forkserver.ensure_running()


def _context() -> BaseContext:
    """Workers are forked from a server that has imported torch once and has no threads; else each imports it anew."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _begin() -> None:
    """How a worker begins: with one thread for torch, and one that ends it with its parent, however that ended."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _failure(error: BaseException) -> Failure:
    words = str(error).splitlines() or [""]
    return Failure(f"{type(error).__name__}: {words[0]}", "".join(traceback.format_exception(error)))


def _here(function: Callable[..., Any], calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
    for i, call in enumerate(calls):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            result = _tried(function, call)
        finally:
            torch.set_num_threads(threads)
        yield i, result


def _tried(function: Callable[..., Any], call: Call) -> Any:
    for _ in range(TRIES):
        try:
            return function(*call)
        except Exception as error:
            failure = _failure(error)
    return failure


def _in_processes(function: Callable[..., Any], calls: Sequence[Call], jobs: int) -> Iterator[tuple[int, Any]]:
    left = set(range(len(calls)))
    # A pool that breaks twice leaves its calls to be run apart, to find the one that breaks it.
    for processes in (jobs, jobs, 1):
        groups = [sorted(left)] if processes > 1 else [[i] for i in sorted(left)]
        for group in groups:
            with ProcessPoolExecutor(processes, _context(), _begin) as pool:
                futures: dict[Future[Any], int] = {pool.submit(_tried, function, calls[i]): i for i in group}
                try:
                    for future in as_completed(futures):
                        i = futures[future]
                        if isinstance(future.exception(), BrokenProcessPool):
                            if processes == 1:
                                left.discard(i)
                                yield i, Failure("the process was killed; is there too little memory? Try fewer --jobs")
                            continue
                        left.discard(i)
                        error = future.exception()  # of pickling: what the function raised was caught
                        yield i, _failure(error) if error else future.result()
                finally:
                    pool.shutdown(cancel_futures=True)
        if not left:
            return


def _on_ray(function: Callable[..., Any], calls: Sequence[Call], address: str) -> Iterator[tuple[int, Any]]:
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray needs Ray, which is not installed: pip install 'iqa_zoo[ray]'") from error
    try:
        ray.init(address=None if address == "local" else address, ignore_reinit_error=True, log_to_driver=False)
    except ConnectionError as error:
        raise InputError(
            f"there is no Ray cluster at {address!r} ({error}); start one with: ray start --head"
        ) from error
    shared: dict[int, Any] = {}
    for call in calls:  # a dataset that every call has travels once
        shared |= {id(argument): argument for argument in call}
    sent = {key: ray.put(argument) for key, argument in shared.items()}
    remote = ray.remote(num_cpus=1, max_retries=TRIES - 1)(_on_one_thread)
    pending = {remote.remote(function, *(sent[id(argument)] for argument in call)): i for i, call in enumerate(calls)}
    try:
        while pending:
            (done,), _ = ray.wait(list(pending), num_returns=1)
            i = pending.pop(done)
            try:
                yield i, ray.get(done)
            except ray.exceptions.RayError as error:
                yield i, _failure(error)
    finally:
        for left in pending:
            ray.cancel(left, force=True)
        ray.shutdown()


def _on_one_thread(function: Callable[..., Any], *call: Any) -> Any:
    torch.set_num_threads(1)
    return _tried(function, call)
