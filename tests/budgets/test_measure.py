"""Whole models against torch's own counter, slot by slot, and what a count may not depend on."""

from __future__ import annotations

import pytest
import timm.layers
import torch
from torch import nn

from iqa_zoo import build_model, measure_budget, model_config
from iqa_zoo.budgets import measure_decoder
from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import BudgetError, ConfigError, InputError
from iqa_zoo.registry import MODELS, list_models
from iqa_zoo.testing.witness import count_by_torch

SLOTS = ("backbone", "queries", "memory", "head")  # the slots that are one module


def small(name: str, backbone: str = "resnet18", **more):
    """A zoo model on a small backbone."""
    cfg = model_config(name)
    stages = cfg["backbone"].get("stages", [])
    cfg["backbone"] = dict(type="timm_features", name=backbone, stages=stages, **more)
    return cfg


def by_torch(model, size: int) -> dict[str, float]:
    """torch's count with gradients on, halved: it counts two operations a MAC."""
    counter = count_by_torch(model, torch.rand(1, 3, size, size))
    counts = counter.get_flop_counts()  # by module; those without products are absent
    slots = {
        slot: sum(counts[f"QualityModel.{slot}"].values()) / 2 for slot in SLOTS if f"QualityModel.{slot}" in counts
    }
    return {**slots, "whole": counter.get_total_flops() / 2}


def agrees_with_torch(cfg, size: int = 224):
    budget, expected = measure_budget(cfg), by_torch(build_model(cfg), size)
    assert budget.macs == pytest.approx(expected["whole"], rel=1e-3)
    for slot in set(SLOTS) & set(budget.by_slot):
        assert budget.by_slot[slot].macs == pytest.approx(expected.get(slot, 0), rel=1e-3)
    assert sum(part.macs for part in budget.by_slot.values()) == budget.macs
    assert sum(budget.macs_by_operator.values()) == budget.macs
    return budget


@pytest.mark.slow
def test_deiqt():
    budget = agrees_with_torch("deiqt")
    assert budget.params == budget.active_params == 24_043_776
    assert round(budget.by_slot["backbone"].macs / 1e9, 2) == 4.60  # 4.25 without attention
    # 197 tokens, width 384, 12 blocks: patches, then four projections, two products of attention, two of the MLP
    block = 197 * (4 * 384**2 + 8 * 384**2) + 2 * 197**2 * 384
    assert budget.by_slot["backbone"].macs == 196 * 768 * 384 + 12 * block
    attention = (4 * 6 * 384**2 + 2 * 36 * 384) + ((2 * 6 + 2 * 196) * 384**2 + 2 * 6 * 196 * 384)
    assert budget.by_slot["interactions"].macs == attention + 2 * 6 * 384 * 1536
    assert budget.by_slot["queries"].macs == 0
    assert budget.by_slot["head"].macs == 6 * 384


@pytest.mark.slow
def test_lifeiqa():
    budget = agrees_with_torch("lifeiqa")
    assert budget.params == 94_950_334 + 4 * 3 * 36  # the released model's, plus twelve learned 6 x 6 adjacencies
    expert = 2 * 384 * 1536 + 384 + 1536
    assert budget.params - budget.active_params == 2 * expert
    assert budget.by_slot["backbone"].macs / 1e9 == pytest.approx(15.431, rel=1e-3)
    gcn = 6 * (384 * 192 + 192 * 96 + 96 * 384) + 36 * (192 + 96 + 384)
    cross = (2 * 6 + 2 * 36) * 384**2 + 2 * 6 * 36 * 384
    assert [block.macs for block in budget.by_block.values()] == [gcn, cross] * 4
    assert list(budget.by_block) == [f"interactions.{i}" for i in range(8)]
    assert budget.by_slot["head"].macs == 6 * (384 * 4 + 2 * 2 * 384 * 1536 + 384)
    assert budget.by_slot["memory"].macs == 36 * 512 * 384
    # What fvcore reports for Swin-B, 15.468 G, is these MACs and what stands apart from them.
    backbone = budget.by_slot["backbone"]
    assert (backbone.macs + sum(backbone.other_ops.values())) / 1e9 == pytest.approx(15.468, rel=1e-3)


OURS = {name for name in list_models() if MODELS.origin(name) == "iqa_zoo"}  # a plugin's own tests count its models


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OURS - {"deiqt", "lifeiqa"}))
def test_zoo_on_a_small_backbone(name):
    budget = agrees_with_torch(small(name, image_size=64), 64)
    assert budget.macs == sum(slot.macs for slot in budget.by_slot.values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "nss"])
def test_backbones_of_other_kinds(backbone):
    cfg = small("lifeiqa", backbone, image_size=96)  # mobilenet's head convolution is run and not used
    if backbone == "nss":
        cfg["backbone"] = dict(type="nss", stages=(3, 4), image_size=96)
    budget = agrees_with_torch(cfg, 96)
    assert budget.by_slot["backbone"].macs > 0


TINY = dict(backbone="deit_tiny_patch16_224", image_size=64)


@pytest.mark.slow
def test_independent_of_mode_gradients_frozen_parameters_and_batch():
    model = build_model(small("deiqt", **TINY))
    budget = measure_budget(model)
    assert budget == measure_budget(small("deiqt", **TINY))
    for training in (True, False):
        with torch.set_grad_enabled(training):
            assert measure_budget(model.train(training)) == budget
            assert model.training == model.backbone.training == training
    model.backbone.requires_grad_(False)
    frozen = measure_budget(model)
    assert (frozen.macs, frozen.params, frozen.macs_by_operator) == (
        budget.macs,
        budget.params,
        budget.macs_by_operator,
    )
    assert frozen.trainable_params == budget.decoder.params
    assert frozen.by_slot["backbone"].trainable_params == 0


@pytest.mark.slow
def test_independent_of_fused_attention():
    fused = measure_budget(build_model(small("deiqt", **TINY)))
    was = timm.layers.use_fused_attn()
    timm.layers.set_fused_attn(not was)
    try:
        other = measure_budget(build_model(small("deiqt", **TINY)))
    finally:
        timm.layers.set_fused_attn(was)
    assert other.macs == fused.macs
    assert other.macs_by_operator != fused.macs_by_operator


@pytest.mark.slow
def test_counting_a_config_leaves_the_random_state():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    measure_budget(small("lifeiqa", image_size=64))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.slow
def test_image_size():
    cfg = small("deiqt", image_size=64)
    budget = measure_budget(cfg, image_size=128)
    assert budget.image_size == 128
    assert budget.by_slot["backbone"].macs == 4 * measure_budget(cfg).by_slot["backbone"].macs
    assert measure_budget(build_model(cfg), image_size=128).macs == budget.macs
    vit = measure_budget(small("deiqt", "deit_tiny_patch16_224"), image_size=64)
    assert vit == measure_budget(small("deiqt", **TINY))
    with pytest.raises(InputError, match="takes exactly 64x64"):
        measure_budget(build_model(small("deiqt", **TINY)), image_size=96)
    with pytest.raises(BudgetError, match="positive number of pixels, got 0"):
        measure_budget(cfg, image_size=0)


@pytest.mark.slow
def test_shared_parameters_count_once_for_the_first_slot():
    model = build_model(small("deiqt", image_size=64))
    model.interactions[2] = model.interactions[1]  # cross-attention twice, the same weights
    budget = measure_budget(model)
    assert budget.params == sum(p.numel() for p in model.parameters())
    assert budget.by_block["interactions.2"].params == 0


@pytest.mark.slow
def test_a_part_may_hold_a_mixture():
    class Mixture(nn.Module):
        inactive_params = 30

        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 9)
            self.inner.inactive_params = 12  # its owner speaks for it

        def forward(self, queries, memory):
            return queries

    model = build_model(small("deiqt", image_size=64))
    model.interactions[0] = nn.Sequential()
    model.interactions[0] = Mixture()
    block = measure_budget(model).by_block["interactions.0"]
    assert (block.params, block.active_params) == (45, 15)


@pytest.mark.slow
def test_a_decoder_alone():
    spec = FeatureSpec({3: StageInfo(16, 16), 4: StageInfo(32, 32)}, 32, 32, 64)
    maps = {3: torch.rand(1, 16, 4, 4), 4: torch.rand(1, 32, 2, 2)}
    features = Features(maps, torch.rand(1, 4, 32), torch.rand(1, 32))
    budget = measure_decoder("lifeiqa", spec, features)
    assert list(budget.by_slot) == ["queries", "memory", "interactions", "head"]
    assert budget.by_slot["memory"].macs == 36 * 16 * 384
    assert budget.params == sum(p.numel() for p in build_decoder("lifeiqa", spec).parameters())
    with pytest.raises(BudgetError, match="use measure_decoder"):
        measure_budget(build_decoder("lifeiqa", spec))


@pytest.mark.slow
def test_decoder_is_all_but_the_backbone():
    budget = measure_budget(small("lifeiqa", image_size=64))
    assert budget.decoder.macs == budget.macs - budget.by_slot["backbone"].macs
    assert budget.decoder.active_params == budget.active_params - budget.by_slot["backbone"].params
    assert set(budget.decoder.by_slot) == {"queries", "memory", "interactions", "head"}


def test_only_models_are_counted():
    with pytest.raises(BudgetError, match=r"got Linear; .*count_macs"):
        measure_budget(nn.Linear(3, 3))
    cfg = model_config("deiqt") | {"head": dict(type="linear", bia=False)}
    with pytest.raises(ConfigError, match=r"head\.bia"):
        measure_budget(cfg)
