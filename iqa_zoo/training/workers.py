"""Run independent calls in this process, in several, on a Ray cluster or as jobs of Slurm; a failed call is tried once more."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import (
    active_children,
    forkserver,
    get_all_start_methods,
    get_context,
    parent_process,
    resource_tracker,
)
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from iqa_zoo.training.calls import TRIES as TRIES
from iqa_zoo.training.calls import Call, Failure, describe_failure, try_call
from iqa_zoo.training.on_ray import run_on_ray
from iqa_zoo.training.on_slurm import run_on_slurm
from iqa_zoo.user_files import VARIABLE

PATIENCE = 60  # seconds for a killed server to end
# What a training imports. torch imports its compiler with the first optimizer, which takes as long as torch itself.
PRELOADED = ["iqa_zoo.training.frozen.trainings", "iqa_zoo.backbones.timm_features", "torch._dynamo"]
LOST = (BrokenProcessPool, EOFError, ConnectionError)  # a worker was killed, or the server that workers are forked from


KILLED = Failure("the process was killed; is there too little memory? Try fewer --jobs")


def run_all(
    function: Callable[..., Any],
    calls: Sequence[Call],
    *,
    jobs: int = 1,
    ray: str | None = None,
    slurm: str | None = None,
    gpus: int = 0,
) -> Iterator[tuple[int, Any]]:
    """Yield (position in ``calls``, what ``function(*call)`` returned or a :class:`Failure`) as they finish.

    Each call runs on one thread, so that results do not depend on ``jobs``. An exception costs only its own call. A killed
    worker, or a killed server that workers are forked from, costs no other call. An interrupt stops all workers at once.

    Args:
        function: at the top level of a module, so that other processes can import it.
        calls: its arguments, which are pickled.
        jobs: number of processes; 1 is this one.
        ray: address of a Ray cluster (``auto``, ``local`` or as ``ray.init`` takes it), instead of ``jobs``. Its machines
            need this environment and the same cache folder.
        slurm: how jobs of Slurm are submitted, instead of ``jobs``, as :func:`iqa_zoo.training.on_slurm.run_on_slurm` takes it.
        gpus: of each call on Ray.

    Raises:
        InputError: Ray or submitit is not installed, or the cluster cannot be reached.

    >>> list(run_all(divmod, [(7, 2), (7, 0)]))
    [(0, (3, 1)), (1, Failure(error='ZeroDivisionError: integer division or modulo by zero', trace=...))]
    """
    if ray is not None:
        yield from run_on_ray(function, calls, ray, gpus)
    elif slurm is not None:
        yield from run_on_slurm(function, calls, slurm)
    elif jobs == 1:
        yield from _run_here(function, calls)
    else:
        yield from _run_in_processes(function, calls, jobs)


def warm_up(jobs: int) -> None:
    """Start importing the workers' modules in the background, if there will be workers, so that they start at once."""
    if jobs > 1:
        _start_server()


def _start_server() -> None:
    """Start the server that workers are forked from, if it is not running.

    Its workers inherit that interrupts are blocked: Ctrl-C reaches every process of a terminal, and only the parent
    handles it.
    """
    if _context().get_start_method() == "forkserver":
        resource_tracker.ensure_running()  # it unblocks interrupts as it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await_server() -> None:
    """Return when the server forks processes; start another where it is killed.

    A killed server closes its socket before it counts as ended. Until then :func:`_start_server` takes it for running.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        _start_server()
        probe = _context().Process(target=int)
        try:
            with _defer_interrupts(), _hide_main():
                probe.start()
        except LOST:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            probe.join()
            return


def _context() -> Any:
    """Fork workers from a server that has imported torch and has no threads; without fork, each imports it again."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _begin(user_files: str) -> None:
    """Begin a worker: one thread for torch, one that ends the worker when its parent ends, and the files of ``--import``.

    The server that a worker is forked from may have started before those files were known.
    """
    os.environ[VARIABLE] = user_files
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where workers are not forked from the server
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run_here(function: Callable[..., Any], calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
    for i, call in enumerate(calls):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            result = try_call(function, call)
        finally:
            torch.set_num_threads(threads)
        yield i, result


def _run_in_processes(function: Callable[..., Any], calls: Sequence[Call], jobs: int) -> Iterator[tuple[int, Any]]:
    left = set(range(len(calls)))
    # A pool that breaks twice leaves its calls to be run apart, to find the one that breaks it.
    for processes in (jobs, jobs, 1):
        groups = [sorted(left)] if processes > 1 else [[i] for i in sorted(left)]
        for group in groups:
            for i, result in _run_in_pool(function, calls, group, processes):
                left.discard(i)
                yield i, result
        if not left:
            return
    for i in sorted(left):
        yield i, KILLED


def _run_in_pool(
    function: Callable[..., Any], calls: Sequence[Call], chosen: Sequence[int], processes: int
) -> Iterator[tuple[int, Any]]:
    """Run some of the calls in a pool; calls that are lost with a killed process are not yielded."""
    _await_server()
    others = set(active_children())
    pool = ProcessPoolExecutor(processes, _context(), _begin, (os.environ.get(VARIABLE, ""),))
    futures: dict[Future[Any], int] = {}
    workers: set[int] = set()
    try:
        with _defer_interrupts(), _hide_main():
            for i in chosen:
                try:
                    futures[pool.submit(try_call, function, calls[i])] = i
                except LOST:
                    break  # submitted calls may still succeed; the next pool has another server
        workers = _list_new_pids(others)  # now: later the workers of a killed server count as ended
        for future in as_completed(futures):
            error = future.exception()  # of the pool or of pickling: what the function raised was caught
            if not isinstance(error, BrokenProcessPool):
                yield futures[future], describe_failure(error) if error else future.result()
    except BaseException:  # an interrupt, or the caller stops: do not wait for running calls
        _kill(workers | _list_new_pids(others))
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _list_new_pids(others: Collection[BaseProcess]) -> set[int]:
    """Return the ids of the children of this process that are not among others."""
    return {child.pid for child in active_children() if child not in others and child.pid is not None}


@contextmanager
def _defer_interrupts() -> Iterator[None]:
    """Defer interrupts while workers start: a worker that is half started cannot be ended."""
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


@contextmanager
def _hide_main() -> Iterator[None]:
    """Keep workers from running the user's script again as they start: it may call a study without a ``__main__`` guard."""
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


def _kill(workers: Iterable[int]) -> None:
    for worker in workers:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGTERM)
