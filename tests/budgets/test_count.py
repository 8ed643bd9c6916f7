"""Counting leaves a model as it was, and sees through what wraps it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from iqa_zoo.budgets.count import count_macs, count_operators
from iqa_zoo.errors import BudgetError


class Restless(nn.Module):
    """Dropout that is always on, a buffer that counts, batch statistics, and a frozen layer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.norm = nn.BatchNorm1d(8)
        self.linear = nn.Linear(8, 8).requires_grad_(False)
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.fails:
            raise ZeroDivisionError("ours")
        return self.linear(nn.functional.dropout(self.norm(x), training=True))


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(fails):
    model = Restless()
    model.norm.eval()
    seen = []
    model.linear.register_forward_hook(lambda *_: seen.append(1))
    model.fails = fails
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    if fails:
        with pytest.raises(ZeroDivisionError, match="ours"):
            count_macs(model, torch.rand(4, 8, generator=torch.Generator()))
    else:
        count_macs(model, torch.rand(4, 8, generator=torch.Generator()))
    assert torch.equal(state, torch.get_rng_state())
    assert [part.training for part in (model, model.norm, model.linear)] == [True, False, True]
    assert [p.requires_grad for p in model.linear.parameters()] == [False, False]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert len(model.linear._forward_hooks) == 1
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_norms_stand_apart():
    counts = count_operators(nn.Sequential(nn.Linear(8, 4), nn.LayerNorm(4)), torch.rand(3, 8))
    assert counts[""].macs == {"linear": 96}
    assert counts[""].other_ops == {"layer_norm": 5 * 3 * 4}  # fvcore: 5 an element, affine
    assert not counts["1"].macs


@pytest.mark.slow
def test_a_model_compiled_in_place_is_counted_as_written():
    model = nn.Linear(8, 4)
    model.compile(backend="eager")
    compiled = model._compiled_call_impl
    assert count_macs(model, torch.rand(3, 8)) == 96
    assert model._compiled_call_impl is compiled


def test_a_compiled_part_is_refused():
    with pytest.raises(BudgetError, match="0 is compiled"):
        count_macs(nn.Sequential(torch.compile(nn.Linear(8, 4), backend="eager")), torch.rand(3, 8))


def test_under_inference_mode_and_autocast():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert count_macs(nn.Linear(8, 4), torch.rand(3, 8)) == 96


class Constant(nn.Module):
    """A product of its own weights, kept, with the image's rows."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.kept = None

    def compute_constants(self) -> None:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.kept = self.kept if self.kept is not None else self.linear(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        self.compute_constants()
        return x @ self.kept


def test_what_depends_on_no_image_is_not_counted():
    module = nn.Sequential(Constant())
    assert count_macs(module, torch.zeros(3, 8)) == 3 * 8 * 8
    assert count_macs(module, torch.zeros(3, 8)) == 3 * 8 * 8
    assert module.training
