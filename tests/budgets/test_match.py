"""A matched config meets its target, moves little, and says what it moved."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from iqa_zoo import blank, build_model, match_budget, measure_budget, model_config, register_interaction
from iqa_zoo.budgets import measure
from iqa_zoo.budgets.decoder_costs import DecoderCosts
from iqa_zoo.budgets.knobs import _find_period
from iqa_zoo.budgets.match import _search_nearest
from iqa_zoo.budgets.measure import measure_backbone
from iqa_zoo.build import build_backbone, build_decoder
from iqa_zoo.config import load_config
from iqa_zoo.errors import BudgetError


def on_resnet(name: str):
    cfg = model_config(name)
    cfg["backbone"] = dict(type="timm_features", name="resnet18", stages=[3, 4], image_size=32)
    cfg["dim"] = cfg["dim"] and 96
    return cfg


LIFEIQA, DEIQT = on_resnet("lifeiqa"), on_resnet("deiqt")
SPEC = build_backbone(DEIQT).spec


def decoder_params(cfg) -> int:
    """Counted on the built decoder, without this package's budgets."""
    return sum(p.numel() for p in build_decoder(cfg, SPEC).parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cfg", "to", "by"),
    [
        (DEIQT, LIFEIQA, "params"),
        (LIFEIQA, DEIQT, "params"),
        (LIFEIQA, DEIQT, "active_params"),
        (DEIQT, LIFEIQA, "macs"),
    ],
)
def test_each_meets_the_other(cfg, to, by):
    matched, budget = match_budget(cfg, to, by=by)
    target = getattr(measure_budget(to).decoder, by)
    assert getattr(budget.decoder, by) == pytest.approx(target, rel=0.01)
    if by == "params":
        assert decoder_params(matched) == pytest.approx(target, rel=0.01)
    assert budget == replace(measure_budget(matched), moved=budget.moved)
    assert matched["backbone"] == cfg["backbone"]
    assert budget.moved


def test_one_width_is_enough_and_exact():
    matched, budget = match_budget(DEIQT, 1_000_000)
    assert list(budget.moved) == ["interactions.2.hidden"]
    before, after = budget.moved["interactions.2.hidden"]
    unit = 2 * 96 + 1  # parameters a hidden unit brings
    assert (before, after) == (1536, 1536 + round((1_000_000 - decoder_params(DEIQT)) / unit))
    assert matched["interactions"][2]["hidden"] == after
    assert on_resnet("lifeiqa") == LIFEIQA  # nothing given is changed


@pytest.mark.slow
def test_depth_comes_in_where_a_width_is_not_enough():
    matched, budget = match_budget(LIFEIQA, decoder_params(LIFEIQA) // 5, knobs=["depth", "head.hidden"])
    assert set(budget.moved) == {"depth", "head.hidden"}
    depth = budget.moved["depth"][1]
    assert matched["interactions"] == LIFEIQA["interactions"][:2] * depth


@pytest.mark.slow
@pytest.mark.parametrize("by", ["params", "macs"])
def test_itself_needs_no_move(by):
    matched, budget = match_budget(LIFEIQA, LIFEIQA, by=by)
    assert matched == load_config(LIFEIQA)
    assert budget.moved == {}


@pytest.mark.slow
def test_whole_model():
    whole = measure_budget(LIFEIQA)
    _, budget = match_budget(DEIQT, whole, scope="model", tolerance=0.001)
    assert budget.params == pytest.approx(whole.params, rel=0.001)
    _, budget = match_budget(DEIQT, whole.macs, scope="model", by="macs")
    assert budget.macs == pytest.approx(whole.macs, rel=0.01)


@pytest.mark.slow
def test_targets_of_every_kind_are_one():
    by_cfg = match_budget(DEIQT, LIFEIQA)[0]
    budget = measure_budget(LIFEIQA)
    for to in (budget, budget.decoder.params, build_model(LIFEIQA)):
        assert match_budget(DEIQT, to, knobs=["interactions.*.hidden"])[0] == by_cfg


@pytest.mark.slow
def test_chosen_knobs_only():
    _, budget = match_budget(LIFEIQA, 4_000_000, knobs=["dim", "head.hidden"])
    assert set(budget.moved) <= {"dim", "head.hidden"}
    _, budget = match_budget(LIFEIQA, 3_000_000, knobs=["head.num_experts", "interactions.*.hidden"])
    assert set(budget.moved) <= {"head.num_experts", *(f"interactions.{i}.hidden" for i in range(8))}
    with pytest.raises(BudgetError, match="unknown knob 'dept'; did you mean 'depth'"):
        match_budget(LIFEIQA, DEIQT, knobs=["dept"])


@pytest.mark.slow
def test_dim_alone_keeps_the_heads():
    matched, budget = match_budget(DEIQT, 800_000, knobs=["dim"], tolerance=0.06)
    assert list(budget.moved) == ["dim"]
    assert matched["dim"] % 6 == 0
    assert budget.decoder.params == pytest.approx(800_000, rel=0.06)


@pytest.mark.slow
def test_widths_of_a_stack_keep_their_ratio():
    _, budget = match_budget(LIFEIQA, 2_100_000, knobs=["interactions.*.hidden"])
    assert list(budget.moved) == [f"interactions.{i}.hidden" for i in (0, 2, 4, 6)]
    for before, (wide, narrow) in budget.moved.values():
        assert before == [192, 96]
        assert abs(wide - 2 * narrow) <= 1


@pytest.mark.slow
def test_out_of_reach_says_how_near_it_came():
    with pytest.raises(BudgetError, match=r"within 1\.00% of 1,000 params.*closest is [\d,]+ \(\+[\d.]+%\) with .*dim"):
        match_budget(LIFEIQA, 1000)
    with pytest.raises(BudgetError, match=r"depth comes within .* with depth 1 → 2"):
        match_budget(DEIQT, int(1.6 * decoder_params(DEIQT)), knobs=["depth"])


def test_nothing_to_move():
    with pytest.raises(BudgetError, match=r"nothing can be moved to reach .* params"):
        match_budget(on_resnet("linear_probe"), DEIQT)


def test_bad_arguments():
    with pytest.raises(BudgetError, match="unknown by 'flops'"):
        match_budget(DEIQT, LIFEIQA, by="flops")
    with pytest.raises(BudgetError, match="unknown scope 'head'"):
        match_budget(DEIQT, LIFEIQA, scope="head")
    with pytest.raises(BudgetError, match="between 0 and 1"):
        match_budget(DEIQT, LIFEIQA, tolerance=1)
    with pytest.raises(BudgetError, match="positive whole number of params, got -3"):
        match_budget(DEIQT, -3)


@pytest.fixture
def counted(monkeypatch):
    """The backbones that are counted and those that are made, with nothing remembered from before."""
    counted, made = [], []
    count, make = measure.count_backbone, measure.build_backbone

    def count_backbone(part, image_size):
        counted.append(json.loads(part).get("name"))
        return count(part, image_size)

    def build(cfg):
        made.append(cfg["backbone"].get("name"))
        return make(cfg)

    monkeypatch.setattr(measure, "count_backbone", count_backbone)
    monkeypatch.setattr(measure, "build_backbone", build)
    monkeypatch.setattr(blank, "build_backbone", build)
    measure._COUNTED.clear()
    blank.empty_backbone.cache_clear()
    blank.declared_spec.cache_clear()
    measure._compute_shapes.cache_clear()
    return counted, made


@pytest.mark.slow
@pytest.mark.parametrize("by", ["params", "active_params", "macs"])
@pytest.mark.parametrize("scope", ["decoder", "model"])
def test_one_backbone_is_counted_and_made_once(counted, by, scope):
    match_budget(LIFEIQA, LIFEIQA | {"head": dict(type="linear"), "losses": []}, by=by, scope=scope, tolerance=0.05)
    match_budget(LIFEIQA, LIFEIQA, by=by, scope=scope)
    assert counted == (["resnet18"], ["resnet18"])


@pytest.mark.slow
@pytest.mark.parametrize("by", ["params", "macs"])
def test_of_two_backbones_only_the_one_that_stays_is_counted(counted, by):
    to = DEIQT | {"backbone": dict(type="timm_features", name="test_resnet")}
    match_budget(LIFEIQA, to, by=by)
    assert counted == (["resnet18"], ["resnet18", "test_resnet"])


@pytest.mark.slow
@pytest.mark.parametrize("cfg", [LIFEIQA, DEIQT, on_resnet("vanilla_decoder"), on_resnet("linear_probe")])
def test_parts_add_up_to_the_decoder(cfg):
    """Also where the parts were counted in other decoders before."""
    costs = DecoderCosts(measure_backbone(cfg))
    others = [cfg | {"dim": cfg["dim"] and 192}, cfg | {"interactions": cfg["interactions"][:1]}, cfg]
    for other in others:
        decoder = measure_budget(other).decoder
        for by in ("params", "active_params", "macs"):
            assert costs.compute_size(other, by) == getattr(decoder, by)
    assert costs.compute_size(cfg | {"dim": 97}, "params") is None or cfg["dim"] is None


@pytest.mark.slow
def test_behind_a_change_of_width_an_equal_block_costs_something_else(scratch_registry):
    @register_interaction("halve")
    class Halve(nn.Module):
        """Half the width."""

        out_dim: int | None = None

        def __init__(self, *, dim: int):
            super().__init__()
            self.out_dim = dim // 2
            self.proj = nn.Linear(dim, dim // 2)

        def forward(self, queries_BND, memory_BLD=None):
            return self.proj(queries_BND)

    block = dict(type="feed_forward", hidden=64)
    cfg = DEIQT | {"memory": None, "interactions": [block, dict(type="halve"), dict(block)]}
    blocks = [2 * 96 * 64 + 64 + 96 + 2 * 96, 96 * 48 + 48, 2 * 48 * 64 + 64 + 48 + 2 * 48]  # and a norm each
    rest = measure_budget(cfg | {"interactions": cfg["interactions"][1:2]}).decoder.params - blocks[1]
    costs = DecoderCosts(measure_backbone(cfg))
    for by in ("params", "macs"):
        assert costs.compute_size(cfg, by) == getattr(measure_budget(cfg).decoder, by)
    assert costs.compute_size(cfg, "params") == rest + sum(blocks)
    matched, budget = match_budget(cfg, 60_000)
    assert decoder_params(matched) == budget.decoder.params == pytest.approx(60_000, rel=0.01)


@pytest.mark.slow
def test_a_model_width_goes_below_a_quarter_only_where_nothing_else_does():
    gentle, _ = match_budget(DEIQT, int(0.2 * decoder_params(DEIQT)))
    assert gentle["dim"] >= DEIQT["dim"] / 4
    narrow, budget = match_budget(DEIQT, 10_000)
    assert narrow["dim"] < DEIQT["dim"] / 4
    assert decoder_params(narrow) == budget.decoder.params == pytest.approx(10_000, rel=0.01)


@pytest.mark.slow
def test_shapes_without_a_count_are_those_of_a_count(counted):
    cfg = DEIQT | {"backbone": dict(type="timm_features", name="test_resnet", stages=[3, 4])}
    shapes = measure.find_backbone_shapes(cfg)
    assert counted[0] == []
    found = measure_backbone(cfg)
    for name in ("spec", "image_size", "tokens", "vector", "maps"):
        assert getattr(shapes, name) == getattr(found, name)


@pytest.mark.slow
def test_a_backbone_that_reads_values_is_run(counted):
    cfg = DEIQT | {"backbone": dict(type="nss", stages=[3, 4], image_size=96)}
    assert measure.find_backbone_shapes(cfg).maps == measure_backbone(cfg).maps


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    cfg=st.sampled_from([LIFEIQA, DEIQT]), ratio=st.floats(0.15, 10), by=st.sampled_from(["params", "active_params"])
)
def test_any_target_in_range_is_met(cfg, ratio, by):
    target = int(ratio * decoder_params(cfg))
    matched, budget = match_budget(cfg, target, by=by)
    assert getattr(budget.decoder, by) == pytest.approx(target, rel=0.01)
    if by == "params":
        assert decoder_params(matched) == budget.decoder.params


@given(st.integers(1, 4), st.integers(1, 400), st.integers(0, 10**6))
def test_nearest_is_the_nearest(power, high, target):
    def size(n: int) -> int:
        return 7 * n**power + 3

    found = _search_nearest(size, target, 1, high)
    assert abs(size(found) - target) == min(abs(size(n) - target) for n in range(1, high + 1))


def test_period():
    assert _find_period([]) == 0
    assert _find_period(["a"]) == 1
    assert _find_period(["a", "b"] * 4) == 2
    assert _find_period(["a", "a", "b"]) == 3
    assert _find_period(["a"] * 5) == 1


@pytest.mark.slow
def test_a_knob_must_be_a_key(monkeypatch):
    from iqa_zoo.interactions.feed_forward import FeedForward

    monkeypatch.setattr(FeedForward, "knobs", ("width",))
    with pytest.raises(BudgetError, match=r"interactions\.2: 'feed_forward' declares the knob 'width'"):
        match_budget(DEIQT, LIFEIQA)
