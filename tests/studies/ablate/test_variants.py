"""Ablation variants: one change each, all of them buildable, nothing else touched."""

import pytest

from iqa_zoo.build import build_decoder
from iqa_zoo.config import model_config, resolve_config
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.studies.ablate.variants import SWEEPS, sweep, variants

SPEC = FeatureSpec({3: StageInfo(16, 16), 4: StageInfo(24, 32)}, 24, 24, 224, token_stage=4)
MODELS = ("lifeiqa", "lifeiqa_released", "deiqt", "vanilla_decoder")


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_variant_builds_and_differs_where_it_says(model):
    base = resolve_config(model_config(model))
    for variant in variants(model):
        build_decoder(variant.config, SPEC)
        slot = variant.change.split(":")[0].split(".")[0].split(" ")[0]
        changed = resolve_config(variant.config)
        touched = {key for key in base if changed[key] != base[key]}
        assert slot in touched
        assert touched <= {slot, "losses", "head", "interactions"}, variant.name


def test_the_paper_s_ablations_are_there():
    made = {variant.name: variant.config for variant in variants("lifeiqa")}
    assert list(made)[:9] == [
        "GCN -> attention", "MoE -> FFN", "vanilla decoder", "memory from stage 4", "without MoE", "without GCN", "released adjacency",
        "MoE in every layer", "plain queries",
    ]  # fmt: skip
    kinds = [block["type"] for block in made["GCN -> attention"]["interactions"]]
    assert kinds == ["self_attention", "cross_attention"] * 4
    assert made["GCN -> attention"]["interactions"][0]["num_heads"] == 6
    assert made["MoE -> FFN"]["head"] == dict(
        type="ffn", hidden=1536, residual="paper", activation="relu", gamma=1.0, dropout=0.1
    )
    assert [loss["type"] for loss in made["MoE -> FFN"]["losses"]] == ["l1"]
    assert [block["type"] for block in made["MoE in every layer"]["interactions"]][:3] == [
        "query_gcn",
        "cross_attention",
        "moe_feed_forward",
    ]
    assert [loss["type"] for loss in made["MoE in every layer"]["losses"]] == ["l1", "load_balance", "router_z"]
    assert made["memory from stage 4"]["memory"]["stage"] == 4
    vanilla, model = made["vanilla decoder"], resolve_config(model_config("vanilla_decoder"))
    assert resolve_config(vanilla)["interactions"] == model["interactions"]
    assert resolve_config(vanilla)["head"] == model["head"]


def test_a_first_mixture_brings_its_losses():
    made = {variant.name: variant.config for variant in variants("deiqt")}
    assert [loss["type"] for loss in made["MoE head"]["losses"]] == ["smooth_l1", "load_balance", "router_z"]


@pytest.mark.slow
@pytest.mark.parametrize("knob", SWEEPS)
def test_a_sweep_turns_one_size(knob):
    made = sweep("lifeiqa", knob)
    assert len(made) >= 4
    for cfg in made.values():
        build_decoder(cfg, SPEC)
    sizes = {
        "queries": lambda cfg: cfg["queries"]["num_queries"],
        "experts": lambda cfg: cfg["head"]["num_experts"],
        "top-k": lambda cfg: cfg["head"]["top_k"],
        "depth": lambda cfg: len(cfg["interactions"]) // 2,
        "dim": lambda cfg: cfg["dim"],
    }
    assert [sizes[knob](cfg) for cfg in made.values()] == list(made)


def test_fewer_experts_than_choices_choose_fewer():
    assert sweep("lifeiqa", "experts")[1]["head"]["top_k"] == 1
    assert sweep("deiqt", "experts") == {}
