"""Items come in order, at most so many are loaded ahead, and no thread stays."""

import threading

import pytest

from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.errors import InputError


def test_in_order_whatever_finishes_first():
    gates = {number: threading.Event() for number in range(4)}

    def load(number):
        if number + 1 in gates and number % 2 == 0:
            gates[number + 1].wait(10)  # the next one is done before this one
        gates[number].set()
        return number * number

    results = [(item, future.result()) for item, future in prefetch(load, range(4))]
    assert results == [(0, 0), (1, 1), (2, 4), (3, 9)]


def test_items_are_taken_on_demand():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    stream = prefetch(str, items(), ahead=3)
    next(stream)
    assert len(taken) == 4
    stream.close()
    assert len(taken) == 4


def test_an_error_is_of_its_item_and_the_others_come():
    def load(number):
        if number == 1:
            raise InputError("broken")
        return number

    results = []
    for _, future in prefetch(load, range(3)):
        try:
            results.append(future.result())
        except InputError as error:
            results.append(str(error))
    assert results == [0, "broken", 2]


def test_no_thread_is_left_when_it_is_closed():
    before = threading.active_count()
    stream = prefetch(str, range(50))
    next(stream)
    stream.close()
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(stream)
