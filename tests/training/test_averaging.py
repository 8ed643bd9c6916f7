"""The moving average: its first update, the weight of the past, buffers, steps between updates, and its state."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from iqa_zoo.training.averaging import MovingAverage


def test_an_average_weighs_the_past_and_takes_buffers_as_they_are():
    model = nn.BatchNorm1d(1)
    average = MovingAverage(model, past=0.75)
    for value in (1.0, 5.0, 2.0):
        nn.init.constant_(model.weight, value)
        model.running_mean.fill_(value)
        average.update(model)
    assert average.tensors["weight"].item() == pytest.approx(0.75 * 2.0 + 0.25 * 2.0)
    assert average.tensors["running_mean"].item() == 2.0
    again = MovingAverage(nn.BatchNorm1d(1), past=0.75)
    again.load_state_dict(average.state_dict())
    assert again.updates == 3
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in average.tensors.items())


def test_weights_under_two_names_are_both_averaged():
    model = nn.Sequential(nn.Linear(1, 1))
    model.append(model[0])
    average = MovingAverage(model, past=0.5)
    for value in (1.0, 3.0):
        nn.init.constant_(model[0].weight, value)
        average.update(model)
    assert [average.tensors[f"{i}.weight"].item() for i in (0, 1)] == [2.0, 2.0]


@pytest.mark.parametrize(("every", "steps"), [(1, 7), (4, 11), (4, 12), (5, 3)])
def test_it_is_torchs_average_of_parameters(every, steps):
    """AveragedModel, updated after every so many steps and after the last one of an epoch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3), nn.Conv1d(2, 2, 3))
    expected = AveragedModel(copy.deepcopy(model), multi_avg_fn=get_ema_multi_avg_fn(0.9**every))
    average = MovingAverage(model, past=0.9, every=every)
    for _ in range(2):  # epochs
        for step in range(1, steps + 1):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter))
            average.step(model, step, of=steps)
            if step % every == 0 or step == steps:
                expected.update_parameters(model)
    assert average.updates == expected.n_averaged
    for name, tensor in expected.module.state_dict().items():
        assert torch.equal(average.tensors[name], tensor), name


def test_counters_are_copied():
    model = nn.BatchNorm1d(2)
    average = MovingAverage(model, past=0.9)
    for _ in range(3):
        model(torch.randn(4, 2))
        average.update(model)
    assert average.tensors["num_batches_tracked"] == 3
    assert torch.equal(average.tensors["running_var"], model.running_var)


def test_the_average_shares_no_memory_with_the_model():
    model = nn.Linear(2, 2)
    average = MovingAverage(model, past=0.5)
    before = average.tensors["weight"].clone()
    nn.init.zeros_(model.weight)
    assert torch.equal(average.tensors["weight"], before)
