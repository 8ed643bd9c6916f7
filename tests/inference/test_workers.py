"""Several images at once, one thread of torch each; in order, few at a time, and no other thread is concerned."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from iqa_zoo.errors import InputError
from iqa_zoo.inference.workers import MOST_WORKERS, choose_workers, compute_in_order, use_one_thread

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def _count_threads():
    """Number of torch's threads of a thread that did not use torch before."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_only_the_calling_thread_is_limited():
    with ThreadPoolExecutor(1, initializer=use_one_thread) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == 3
    assert _count_threads() == 3


def test_many_threads_limit_themselves_at_once():
    gate = threading.Barrier(16)
    with ThreadPoolExecutor(16, initializer=lambda: (gate.wait(10), use_one_thread())) as pool:
        assert list(pool.map(lambda _: torch.get_num_threads(), range(64))) == [1] * 64
    assert (torch.get_num_threads(), _count_threads()) == (3, 3)


def test_as_many_at_once_as_torch_has_threads():
    gate = threading.Barrier(3)  # passes only when three images are computed at once
    seen = []

    def compute(number):
        gate.wait(10)
        seen.append(torch.get_num_threads())
        return -number

    results = [(item, future.result()) for item, future in compute_in_order(abs, compute, range(-6, 0), CPU)]
    assert results == [(number, number) for number in range(-6, 0)]
    assert seen == [1] * 6


def test_the_number_of_images_at_once_has_a_limit():
    assert choose_workers(CPU) == 3
    assert choose_workers(torch.device("cuda")) == 1
    torch.set_num_threads(MOST_WORKERS + 5)
    assert choose_workers(CPU) == MOST_WORKERS


def test_few_items_are_held_at_a_time():
    held = most = 0
    lock = threading.Lock()

    def load(number):
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return number

    for item, future in compute_in_order(load, str, range(100), CPU):
        assert future.result() == str(item)
        with lock:
            held -= 1
    assert most <= 2 * 3 + 3


def test_an_error_is_of_its_item_and_the_others_come():
    def load(number):
        if number == 1:
            raise InputError("cannot be read")
        return number

    def compute(number):
        if number == 3:
            raise InputError("has no score")
        return number

    results = []
    for _, future in compute_in_order(load, compute, range(5), CPU):
        try:
            results.append(future.result())
        except InputError as error:
            results.append(str(error))
    assert results == [0, "cannot be read", 2, "has no score", 4]


def test_no_thread_is_left_when_it_is_closed():
    before = threading.active_count()
    stream = compute_in_order(str, str, range(50), CPU)
    next(stream)
    stream.close()
    assert threading.active_count() == before
