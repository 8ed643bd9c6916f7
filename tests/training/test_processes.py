"""What processes tell each other: items in order of rank, and a problem of one is an error in all."""

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.training import processes
from iqa_zoo.training.processes import share


@pytest.fixture
def others(monkeypatch):
    """Stand-ins for the other processes, by what they share."""

    def be(*theirs):
        def gather(found, mine):
            found[:] = [mine, *theirs]

        monkeypatch.setattr(processes.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(processes.distributed, "get_world_size", lambda: 1 + len(theirs))
        monkeypatch.setattr(processes.distributed, "all_gather_object", gather)

    return be


def test_one_process_keeps_its_items_and_raises_its_problem():
    assert share(["a"]) == ["a"]
    with pytest.raises(InputError, match="^broken$"):
        share(["a"], "broken")


def test_items_come_in_order_of_rank(others):
    others((["c"], ""), ([], ""), (["d", "b"], ""))
    assert share(["a"]) == ["a", "c", "d", "b"]


def test_a_problem_of_another_process_is_raised_here(others):
    others(([], "x.png is truncated"), ([], ""), ([], "y.png is truncated"))
    with pytest.raises(InputError, match=r"^x\.png is truncated\ny\.png is truncated$"):
        share(["a"])
