"""Load items in threads ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


def prefetch(
    load: Callable[[Item], Loaded],
    items: Iterable[Item],
    *,
    ahead: int = 4,
    threads: int = 2,
    prepare: Callable[[], object] | None = None,
) -> Generator[tuple[Item, Future[Loaded]], None, None]:
    """Yield each item with the future of ``load(item)``, in order, loading at most ``ahead`` items in advance.

    ``future.result()`` waits, and raises the exception of ``load``. All threads end with the iteration.
    ``prepare`` is called once in each thread, before it loads anything.

    >>> [(item, future.result()) for item, future in prefetch(str, [1, 2, 3])]
    [(1, '1'), (2, '2'), (3, '3')]
    """
    remaining = iter(items)
    waiting: deque[tuple[Item, Future[Loaded]]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=prepare)

    def submit(count: int) -> None:
        waiting.extend((item, pool.submit(load, item)) for item in islice(remaining, count))

    try:
        submit(ahead)
        while waiting:
            item, future = waiting.popleft()
            submit(1)
            yield item, future
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
