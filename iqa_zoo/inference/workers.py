"""Images scored side by side: each by one thread of torch, so that a score does not depend on how many there are.

On a CPU the result of a convolution depends, in the last bits, on how many threads share it and on the batch. Therefore each image
is one forward pass in one thread, and several images are computed at once. For small networks this is faster as well: threads that
share one image wait for each other after every layer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import torch

from iqa_zoo.data.prefetch import prefetch

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Result = TypeVar("Result")

MOST_WORKERS = 8  # images at once: each holds its activations, up to 300 MB for an image of 1024 x 1024 pixels
_LOCK = threading.Lock()


def choose_workers(device: torch.device) -> int:
    """Return how many images are computed at once: one for each thread of torch on a CPU, at most ``MOST_WORKERS``; else 1."""
    return min(torch.get_num_threads(), MOST_WORKERS) if device.type == "cpu" else 1


def use_one_thread() -> None:
    """Make torch compute in one thread where the calling thread is concerned; other threads keep their number.

    ``torch.set_num_threads`` sets the number of the calling thread and that of all threads that first use torch afterwards. The
    second is set back from a thread that ends at once, since it would change the calling thread as well.
    """
    with _LOCK:
        usual = torch.get_num_threads()
        torch.set_num_threads(1)
        restoring = threading.Thread(target=torch.set_num_threads, args=(usual,))
        restoring.start()
        restoring.join()


def compute_in_order(
    load: Callable[[Item], Loaded], compute: Callable[[Loaded], Result], items: Iterable[Item], device: torch.device
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Yield each item with the future of ``compute(load(item))``, in order; the next ones are loaded and computed meanwhile.

    ``load`` and ``compute`` run in threads of their own, in which torch uses one thread. ``future.result()`` waits, and raises the
    exception of either; call it before the next item is taken. At most ``2 * choose_workers(device) + 3`` items are held at a
    time, however many there are, and all threads end with the iteration.

    Args:
        load: reads one item.
        compute: on what was loaded; :func:`choose_workers` of them at once.
        items: read as they are needed.
        device: on which ``compute`` runs.

    >>> squares = compute_in_order(float, lambda value: value**2, ["2", "3"], torch.device("cpu"))
    >>> [(item, future.result()) for item, future in squares]
    [('2', 4.0), ('3', 9.0)]
    """
    workers = choose_workers(device)
    readers, ahead = max(workers, 2), 2 * workers + 2  # a reader more where one core reads while another computes

    def finish(reading: tuple[Item, Future[Loaded]]) -> Result:
        return compute(reading[1].result())

    reader = ThreadPoolExecutor(readers, initializer=use_one_thread)
    reading = ((item, reader.submit(load, item)) for item in items)
    try:
        with closing(prefetch(finish, reading, ahead=ahead, threads=workers, prepare=use_one_thread)) as computed:
            for (item, _), result in computed:
                yield item, result
    finally:
        reader.shutdown(wait=True, cancel_futures=True)
