"""Run independent pieces of work: in this process, in several, or on a Ray cluster. What fails is tried once more."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import (
    active_children,
    forkserver,
    get_all_start_methods,
    get_context,
    parent_process,
    resource_tracker,
)
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.user_files import VARIABLE

TRIES = 2
PRELOADED = ["iqa_zoo.engine.trainings", "iqa_zoo.backbones.timm_features"]  # what a training imports, torch included
Call = tuple[Any, ...]
LOST = (BrokenProcessPool, EOFError, ConnectionError)  # a worker was killed, or the server that workers are forked from


@dataclass(frozen=True)
class Failure:
    """A piece of work that failed every time: the last error in a line, and where it was raised."""

    error: str
    trace: str = ""


KILLED = Failure("the process was killed; is there too little memory? Try fewer --jobs")


def run_all(
    function: Callable[..., Any], calls: Sequence[Call], *, jobs: int = 1, ray: str | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield (position in ``calls``, what ``function(*call)`` returned or a :class:`Failure`) as they finish.

    Every call runs on one thread, so that the results do not depend on ``jobs``. An exception loses only its own call; a
    worker that dies (for want of memory, say) loses none of the others, and neither does the server that workers are forked
    from. An interrupt stops them all at once.

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
    if jobs > 1:
        _start_server()


def _start_server() -> None:
    """Start the server that workers are forked from, if it is not running.

    It is started with interrupts blocked, which its workers inherit: Ctrl-C reaches every process of a terminal, and only
    the parent is to act on it.
    """
    if _context().get_start_method() == "forkserver":
        resource_tracker.ensure_running()  # it unblocks interrupts as it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context() -> BaseContext:
    """Workers are forked from a server that has imported torch once and has no threads; else each imports it anew."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _begin(user_files: str) -> None:
    """How a worker begins: with one thread for torch, one that ends it with its parent, however that ended, and the files of
    ``--import``, which the server that it is forked from may not know."""
    os.environ[VARIABLE] = user_files
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where workers are not forked from the server
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def failure(error: BaseException) -> Failure:
    """What an exception says, in its first line, and its traceback; an error of this package needs none."""
    words = str(error).splitlines() or [""]
    trace = "" if isinstance(error, IqaZooError) else "".join(traceback.format_exception(error))
    return Failure(f"{type(error).__name__}: {words[0]}", trace)


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
            failed = failure(error)
    return failed


def _in_processes(function: Callable[..., Any], calls: Sequence[Call], jobs: int) -> Iterator[tuple[int, Any]]:
    left = set(range(len(calls)))
    # A pool that breaks twice leaves its calls to be run apart, to find the one that breaks it.
    for processes in (jobs, jobs, 1):
        groups = [sorted(left)] if processes > 1 else [[i] for i in sorted(left)]
        for group in groups:
            for i, result in _in_a_pool(function, calls, group, processes):
                left.discard(i)
                yield i, result
        if not left:
            return
    for i in sorted(left):
        yield i, KILLED


def _in_a_pool(
    function: Callable[..., Any], calls: Sequence[Call], chosen: Sequence[int], processes: int
) -> Iterator[tuple[int, Any]]:
    """Run some of the calls in processes of their own; those that are lost with a killed process are not yielded."""
    _start_server()
    others = set(active_children())
    pool = ProcessPoolExecutor(processes, _context(), _begin, (os.environ.get(VARIABLE, ""),))
    futures: dict[Future[Any], int] = {}
    workers: set[int] = set()
    try:
        with _deferring_interrupts():
            for i in chosen:
                try:
                    futures[pool.submit(_tried, function, calls[i])] = i
                except LOST:
                    break  # what was submitted may still end well; the next pool has another server
        workers = _pids_except(others)  # while they are known: those of a killed server count as ended
        for future in as_completed(futures):
            error = future.exception()  # of the pool or of pickling: what the function raised was caught
            if not isinstance(error, BrokenProcessPool):
                yield futures[future], failure(error) if error else future.result()
    except BaseException:  # an interrupt, or nobody wants the rest: running calls are not waited for
        _kill(workers | _pids_except(others))
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _pids_except(others: Collection[BaseProcess]) -> set[int]:
    """The children of this process without those that were there before."""
    return {child.pid for child in active_children() if child not in others and child.pid is not None}


@contextmanager
def _deferring_interrupts() -> Iterator[None]:
    """Around the start of workers: one that is half started is not known, and could not be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


def _kill(workers: Iterable[int]) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGTERM)


def _on_ray(function: Callable[..., Any], calls: Sequence[Call], address: str) -> Iterator[tuple[int, Any]]:
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
                yield i, failure(error)
    finally:
        for left in pending:
            ray.cancel(left, force=True)
        ray.shutdown()


def _on_one_thread(function: Callable[..., Any], *call: Any) -> Any:
    torch.set_num_threads(1)
    return _tried(function, call)
