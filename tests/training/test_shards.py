"""Shards of tensors. Two processes that share a model: tests/training/end_to_end/test_sharded.py."""

import pytest
import torch
from torch import nn

from iqa_zoo.training.shards import gather_whole, get_local, load_gathered, shard_like


def test_what_is_not_sharded_passes_as_it_is():
    model = nn.Linear(2, 2)
    gathered = gather_whole(model.state_dict())
    assert all(gathered[name].data_ptr() == tensor.data_ptr() for name, tensor in model.state_dict().items())
    get_local(model.weight).fill_(3.0)
    assert model.weight.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    load_gathered(model, {"weight": torch.ones(2, 2), "bias": torch.zeros(2)})
    assert model.weight.sum() == 4
    with pytest.raises(RuntimeError, match="Missing key"):
        load_gathered(model, {"weight": torch.ones(2, 2)})


def test_a_tensor_like_one_that_is_not_sharded_is_that_tensor():
    tensor = torch.arange(3.0)
    assert shard_like(tensor, torch.zeros(3)) is tensor
