"""Counts that torch's own counter confirms for every part and model, and hashes that equal models share."""

import pytest
import torch
from torch import nn

import iqa_zoo
from iqa_zoo.budgets import measure_budget
from iqa_zoo.config import model_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.errors import BudgetError, ConfigError
from iqa_zoo.registry import MODELS, SLOTS
from iqa_zoo.testing.suite import examples_of
from iqa_zoo.testing.witness import macs_by_torch

RESNET = {"type": "timm_features", "name": "test_resnet", "stages": [1, 2, 3, 4], "image_size": 64}
SOUND = {
    "dim": 24,
    "backbone": RESNET,
    "queries": {"type": "guided", "num_queries": 4},
    "memory": {"type": "grid_pool", "stage": 3, "grid": 3},
    "interactions": [{"type": "cross_attention", "num_heads": 4}],
    "head": {"type": "linear"},
    "losses": [],
}
OTHERS = {  # what a part needs beside it, and arguments where it declares none that are small
    "cross_scale_attention": {"memory": {"type": "gated_scales", "stages": [3, 2], "grid": 2, "hidden": 8}},
}
ARGUMENTS = {
    "timm_features": RESNET,
    "multi_backbone": {"branches": [RESNET, {**RESNET, "name": "test_vit"}]},
    "nss": {"image_size": 64},
    "cross_scale_attention": {"scale": 2, "num_scales": 2},
    "positioned_self_attention": {"num_heads": 4},
}
SMALL = {"backbone": RESNET, "dim": 24}
PARTS = [
    (slot, name) for slot in ("backbone", "queries", "memory", "interactions", "head") for name in SLOTS[slot].names()
]


def with_part(slot, name):
    """A model with the part in its slot, the small sizes it declares, and sound parts beside it."""
    arguments = ARGUMENTS.get(name) or examples_of(slot, name)[0]
    part = {"type": name, **{key: value for key, value in arguments.items() if key != "type"}}
    cfg = {**SOUND, **OTHERS.get(name, {}), slot: [part] if slot == "interactions" else part}
    if slot == "backbone":
        cfg |= {"queries": {"type": "class_token", "num_queries": 4}, "memory": {"type": "tokens"}}
    if name == "stage_means":  # as wide as the stages
        cfg |= {"memory": None, "interactions": []}
    return cfg


def both_counts(model):
    size = model.spec.image_size
    return measure_budget(model).macs, macs_by_torch(model, torch.randn(1, 3, size, size))


@pytest.mark.slow
@pytest.mark.parametrize(("slot", "name"), PARTS)
def test_a_part_inside_a_model_is_counted_as_torch_counts(slot, name, record_property):
    model = iqa_zoo.build_model(with_part(slot, name)).eval()
    ours, torchs = both_counts(model)
    record_property("macs", (ours, torchs))
    print(f"{slot:13} {name:26} {ours:>14,} {torchs:>16,.0f} {ours / torchs:.6f}")
    assert ours == pytest.approx(torchs, rel=1e-3)
    whole = measure_budget(model)
    assert sum(part.macs for part in whole.by_slot.values()) == ours
    if any(isinstance(layer, nn.Linear | nn.Conv2d) for layer in getattr(model, slot).modules()):
        assert whole.by_slot[slot].macs > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS.names())
def test_a_small_model_is_counted_as_torch_counts(name):
    of_ours = {"backbone": RESNET} if name == "linear_probe" else SMALL
    arguments = of_ours if MODELS.origin(name) == "iqa_zoo" else examples_of("models", name)[0]
    ours, torchs = both_counts(iqa_zoo.build_model(name, overrides=arguments).eval())
    print(f"{'models':13} {name:26} {ours:>14,} {torchs:>16,.0f} {ours / torchs:.6f}")
    assert ours == pytest.approx(torchs, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS.names())
def test_a_model_of_its_own_size_is_counted_as_torch_counts(name):
    ours, torchs = both_counts(iqa_zoo.build_model(name).eval())
    print(f"{'models, whole':13} {name:26} {ours:>14,} {torchs:>16,.0f} {ours / torchs:.6f}")
    assert ours == pytest.approx(torchs, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 3])
def test_a_mixture_in_every_layer_costs_what_its_experts_cost(layers):
    """Layers of 6 queries, of which each meets the router and K experts of two matrices."""
    cfg = {**SOUND, "queries": {"type": "guided", "num_queries": 6}}
    block = {"type": "moe_feed_forward", "num_experts": 4, "top_k": 2, "hidden": 16}
    without = measure_budget(cfg)
    with_them = measure_budget({**cfg, "interactions": [*cfg["interactions"], *[block] * layers]})
    a_layer = 6 * 24 * 4 + 6 * 2 * 2 * 24 * 16
    assert with_them.macs - without.macs == layers * a_layer
    assert with_them.by_block["interactions.1"].macs == a_layer
    assert with_them.macs_by_operator["linear"] - without.macs_by_operator["linear"] == layers * a_layer


def test_macs_outside_the_parts_are_an_error(scratch_registry):
    @iqa_zoo.register_interaction("scratch_bypass")
    class Bypass(nn.Module):
        """Called by no hook."""

        def __init__(self, *, dim: int):
            super().__init__()
            self.fc = nn.Linear(dim, dim)

        def __call__(self, queries_BND, memory_BLD):
            return queries_BND @ self.fc.weight

    with pytest.raises(BudgetError, match=r"runs [\d,]+ MACs, but its parts [\d,]+: .* a method of a part other than"):
        measure_budget({**SOUND, "interactions": [{"type": "scratch_bypass"}]})


@pytest.mark.slow
def test_details_give_the_scores_and_cost_nothing_in_a_budget():
    cfg = {**SOUND, "interactions": [*SOUND["interactions"], {"type": "moe_feed_forward", "hidden": 8}]}
    model = iqa_zoo.build_model(cfg).eval()
    before = measure_budget(model)
    image_BCHW = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        details = model.details(image_BCHW)
        assert torch.equal(details.score_B, model(image_BCHW))
    assert len(details.routing) == 1
    assert measure_budget(model) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "cfg",
    [
        model_config("linear_probe"),
        {**SOUND, "dim": None},
        {**SOUND, "dim": None, "backbone": {"type": "multi_backbone", "branches": [RESNET, {"type": "nss"}]}},
    ],
)
def test_a_config_without_dim_has_the_hash_of_its_model(cfg):
    if cfg["backbone"]["type"] == "multi_backbone":
        cfg = {**cfg, "queries": {"type": "class_token"}, "memory": {"type": "tokens"}, "interactions": []}
    model = iqa_zoo.build_model(cfg)
    width = model.spec.global_channels
    assert config_hash(cfg) == config_hash(model.config) == config_hash({**cfg, "dim": width})
    assert config_hash(cfg) != config_hash({**cfg, "dim": width + 24})
    left_out = {key: value for key, value in cfg.items() if key != "dim"}
    assert config_hash(left_out) == config_hash(cfg)


def test_a_hash_that_needs_a_backbone_draws_no_random_number_and_refuses_what_cannot_be_built():
    state = torch.get_rng_state()
    config_hash({**SOUND, "dim": None, "backbone": {**RESNET, "image_size": 96}})
    assert torch.equal(state, torch.get_rng_state())
    with pytest.raises(ConfigError, match="backbone: timm has no model 'test_resnte'; did you mean 'test_resnet'"):
        config_hash({**SOUND, "dim": None, "backbone": {**RESNET, "name": "test_resnte"}})
