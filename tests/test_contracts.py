"""What parts may offer beyond their contract: a flag is a class attribute, an ability an attribute or a method of its name."""

import typing

import pytest
import torch
from torch import nn

from iqa_zoo.contracts import (
    CONTRACTS,
    FLAGS,
    HANDED_DOWN,
    Attends,
    AttendsByHead,
    Fits,
    Flag,
    HasExamples,
    HasOutDim,
    HasScales,
    HasTokenGrid,
    SetsNestedKeys,
    has_flag,
)
from iqa_zoo.registry import HEADS, INTERACTIONS, LOSSES, MEMORIES, SLOTS


def test_every_flag_has_a_meaning_and_every_slot_a_contract():
    assert set(FLAGS) == set(typing.get_args(Flag))
    assert list(CONTRACTS) == list(HANDED_DOWN) == list(SLOTS)


def test_a_flag_is_read_from_a_part_and_from_its_class():
    class Routes(nn.Module):
        routes = True

    class RoutesNot(Routes):
        routes = False

    assert has_flag(Routes, "routes")
    assert has_flag(Routes(), "routes")
    assert not has_flag(RoutesNot(), "routes")
    assert not has_flag(Routes(), "needs_memory")
    assert not has_flag(None, "routes")


@pytest.mark.parametrize(
    ("registry", "name", "flags"),
    [
        (HEADS, "moe", {"routes"}),
        (INTERACTIONS, "moe_feed_forward", {"routes"}),
        (INTERACTIONS, "cross_attention", {"needs_memory"}),
        (INTERACTIONS, "self_attention", set()),
        (LOSSES, "mirror_consistency", {"needs_mirrored"}),
        (LOSSES, "router_z", {"needs_routing"}),
    ],
)
def test_flags_of_parts(registry, name, flags):
    assert {flag for flag in FLAGS if has_flag(registry.get(name), flag)} == flags


@pytest.mark.parametrize(
    ("ability", "registry", "names"),
    [
        (Fits, HEADS, {"ridge"}),
        (HasTokenGrid, MEMORIES, {"gated_scales", "grid_pool", "tokens"}),
        (SetsNestedKeys, SLOTS["backbone"], {"local_injection", "multi_backbone", "two_scale"}),
    ],
)
def test_which_built_in_parts_have_an_ability(ability, registry, names):
    assert {name for name in registry.built_in() if isinstance(registry.get(name), ability)} == names


def test_an_ability_is_read_from_the_part_itself():
    block = INTERACTIONS.get("cross_scale_attention")(dim=8, num_heads=2, scale=1, num_scales=3)
    assert isinstance(block, HasScales)
    assert block.num_scales == 3
    assert not isinstance(block, HasOutDim)
    assert isinstance(INTERACTIONS.get("cross_attention")(dim=8, num_heads=2), AttendsByHead)
    assert isinstance(INTERACTIONS.get("cross_attention")(dim=8, num_heads=2), Attends)
    assert not isinstance(INTERACTIONS.get("self_attention")(dim=8, num_heads=2), Attends)
    assert isinstance(MEMORIES.get("gated_scales"), HasExamples)


def test_a_width_is_declared_on_the_class_and_set_on_the_instance():
    class Halves(nn.Module):
        out_dim = None

        def __init__(self, *, dim):
            super().__init__()
            self.out_dim = dim // 2
            self.fc = nn.Linear(dim, self.out_dim)

        def forward(self, queries_BND, memory_BLD):
            return self.fc(queries_BND)

    assert isinstance(Halves, HasOutDim)
    block = Halves(dim=8)
    assert isinstance(block, HasOutDim)
    assert block(torch.zeros(1, 2, 8), None).shape[-1] == block.out_dim == 4
