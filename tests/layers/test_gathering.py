"""Losses of a batch that processes share are those of the whole batch; tests/training/end_to_end/test_train.py trains with them."""

import pytest
import torch
from torch import distributed

from iqa_zoo.contracts import QualityOutput, Routing
from iqa_zoo.layers import gathering
from iqa_zoo.layers.gathering import over_processes
from iqa_zoo.losses.load_balance import LoadBalance
from iqa_zoo.losses.plcc import PLCC


def test_one_process_has_all_there_is():
    rows = torch.rand(3, requires_grad=True)
    assert over_processes(rows) is rows


@pytest.fixture
def as_the_first_of_two(monkeypatch):
    """Stand in for the other process: what it holds is named beforehand, by shape."""
    held = {}
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(gathering, "all_gather", lambda rows: (rows, held[rows.data_ptr()]))

    def halve(*wholes):
        first = []
        for whole in wholes:
            mine, theirs = (half.clone() for half in whole.chunk(2))
            held[mine.data_ptr()] = theirs
            first.append(mine)
        return first

    return halve


def test_plcc_is_that_of_the_whole_batch(as_the_first_of_two):
    torch.manual_seed(0)
    scores, labels = torch.randn(2, 12)
    with torch.no_grad():  # where no gradient is asked for, nobody waits for the others
        whole = PLCC()(QualityOutput(scores, None, None), labels).item()
    mine, my_labels = as_the_first_of_two(scores, labels)
    shared = PLCC()(QualityOutput(mine, None, None), my_labels).item()
    assert shared == pytest.approx(whole, abs=1e-6)
    with torch.no_grad():
        assert PLCC()(QualityOutput(mine, None, None), my_labels).item() != pytest.approx(whole, abs=1e-3)


def test_one_image_in_each_process_is_a_batch(as_the_first_of_two):
    mine, labels = as_the_first_of_two(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0]))
    assert PLCC()(QualityOutput(mine, None, None), labels).item() == pytest.approx(0, abs=1e-6)


def test_the_load_is_that_of_the_whole_batch(monkeypatch):
    """Each process sends its tokens to other experts: uneven in each, even in all."""
    mine_TE, theirs_TE = torch.tensor([[9.0, 0.0]] * 3), torch.tensor([[0.0, 9.0]] * 3)

    def routed(logits_TE):
        weights_TE, choice_TK = logits_TE.softmax(-1), logits_TE.topk(1, dim=-1).indices
        return Routing(logits_TE, weights_TE, choice_TK)

    def loss(logits_TE):
        return LoadBalance()(QualityOutput(None, None, None, [routed(logits_TE)]), None).item()

    alone = loss(mine_TE)
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(gathering, "all_gather", lambda rows: (rows, rows.flip(-1)))
    assert loss(mine_TE) == pytest.approx(1.0, abs=1e-6)
    monkeypatch.undo()
    assert alone > 1.9
    assert loss(torch.cat([mine_TE, theirs_TE])) == pytest.approx(1.0, abs=1e-6)
