"""The two sides of a claim differ by what the claim says, and by nothing else; each distinct one is trained once."""

import pytest

from iqa_zoo.budgets import measure_budget
from iqa_zoo.build import build_decoder
from iqa_zoo.cards.claims import Claim, Side, find_claims
from iqa_zoo.config import model_config, resolve_config
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.errors import ConfigError
from iqa_zoo.studies.claims.sides import Plan, collect_configs, find_obstacle, make_config
from iqa_zoo.studies.study import plan_study

SPEC = FeatureSpec({i: StageInfo(8 * i, 2 ** (i + 1)) for i in (1, 2, 3, 4)}, 32, 32, 224, token_stage=4)
CLAIMS = {claim.id: claim for claim in find_claims("lifeiqa")}
GCN = dict(type="query_gcn", adjacency="learned", hidden=[192, 96], activate_last=True)
READ = dict(type="cross_attention", num_heads=6, dropout=0.0, norm=True)
ROUTED = [dict(type=name, weight=weight) for name, weight in (("load_balance", 0.01), ("router_z", 0.001))]


def find_changes(claim):
    """The top-level keys in which the resolved sides differ, with both values; the backbone aside, which the study replaces."""
    ahead, behind = (resolve_config(make_config(side)) for side in (claim.ahead, claim.behind))
    return {key: (ahead[key], behind[key]) for key in ahead if key != "backbone" and ahead[key] != behind[key]}


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_both_sides_build(claim):
    for side in (claim.ahead, claim.behind):
        config = make_config(side)
        assert build_decoder(config, SPEC).config["head"]["type"] == config["head"]["type"]


def test_deep_against_shallow_differs_by_the_stages():
    [(key, (deep, shallow))] = find_changes(CLAIMS["deep_stages"]).items()
    assert key == "queries"
    assert (deep.pop("stages"), shallow.pop("stages")) == ([3, 4], [1, 2])
    assert deep == shallow


def test_stage_3_as_memory_against_the_cells_of_stage_4_without_pooling():
    claim = CLAIMS["stage_3_memory"]
    assert find_changes(claim) == {"memory": (dict(type="grid_pool", stage=3, grid=6), dict(type="tokens"))}
    assert find_obstacle(make_config(claim.behind), plan_study("claims", ["lifeiqa"])) == ""  # the box has stage 4


def test_gcn_against_attention_differs_by_every_other_block():
    [(key, (ahead, behind))] = find_changes(CLAIMS["gcn_over_attention"]).items()
    assert key == "interactions"
    attention = dict(type="self_attention", num_heads=6, dropout=0.0, norm=True)
    assert ahead == [GCN, READ] * 4
    assert behind == [attention, READ] * 4


def test_the_mixture_against_an_ffn_differs_by_the_experts_and_the_losses_of_their_routing():
    changes = find_changes(CLAIMS["moe_over_ffn"])
    assert set(changes) == {"head", "losses"}
    mixture, ffn = changes["head"]
    assert (mixture.pop("num_experts"), mixture.pop("top_k"), mixture.pop("type"), ffn.pop("type")) == (
        4,
        2,
        "moe",
        "ffn",
    )
    assert ffn == mixture
    loss = dict(type="l1", weight=1.0)
    routed = changes["losses"][0]
    assert [each["type"] for each in routed] == ["l1", "load_balance", "router_z"]
    assert changes["losses"][1] == [loss]


def test_guided_against_plain_differs_by_the_guide():
    changes = find_changes(CLAIMS["guided_queries"])
    assert changes == {"queries": (dict(type="guided", num_queries=6, stage=4), dict(type="learned", num_queries=6))}


def test_experts_in_every_layer_are_the_head_s_and_leave_it():
    changes = find_changes(CLAIMS["post_posed_experts"])
    assert set(changes) == {"interactions", "head"}
    mixture = changes["head"][0]
    experts = dict(
        type="moe_feed_forward",
        **{key: mixture[key] for key in ("num_experts", "top_k", "hidden", "activation", "dropout")},
    )
    assert changes["interactions"] == ([GCN, READ] * 4, [GCN, READ, experts] * 4)
    plain = resolve_config(
        {**model_config("lifeiqa"), "head": dict(type="linear", norm=True, dropout=mixture["dropout"])}
    )
    assert changes["head"][1] == plain["head"]


def test_shares_differ_by_the_model_or_by_the_data():
    for name, shares in (("share_20", (0.2, 0.2)), ("share_20_against_all", (0.2, 1.0))):
        claim = CLAIMS[name]
        assert (claim.ahead.share, claim.behind.share) == shares
        assert make_config(claim.ahead) == model_config("lifeiqa")
        assert make_config(claim.behind) == model_config("deiqt")


def test_a_config_of_several_claims_is_there_once():
    configs, sides = collect_configs(CLAIMS.values())
    assert len(configs) == 9  # lifeiqa, deiqt, deep and shallow, five changes of lifeiqa
    assert sides["gcn_over_attention"] == ["lifeiqa", "self-attention"]
    assert sides["share_20_against_all"] == [
        "lifeiqa",
        "deiqt, 20 %",
    ]  # labels of configs; shares are those of trainings


def test_two_configs_of_one_name_have_two_labels():
    claims = [
        Claim(f"c{i}", "", "", Side("a", "deiqt"), Side("b", "deiqt", {"queries.num_queries": i})) for i in (2, 3)
    ]
    configs, sides = collect_configs(claims)
    assert list(configs) == ["a", "b", "b-2"]
    assert sides == {"c2": ["a", "b"], "c3": ["a", "b-2"]}


def test_a_change_that_leads_nowhere_is_an_error():
    with pytest.raises(ConfigError, match="memory.stag"):
        make_config(Side("a", "lifeiqa", {"memory.stag": 4}))


def test_stages_that_the_box_or_the_backbone_lacks():
    boxed, photographs = plan_study("claims", ["lifeiqa"]), plan_study("claims", ["lifeiqa"], data="demo")
    deep, shallow = (make_config(side) for side in (CLAIMS["deep_stages"].ahead, CLAIMS["deep_stages"].behind))
    assert find_obstacle(deep, boxed) == find_obstacle(make_config(CLAIMS["share_20"].behind), boxed) == ""
    assert find_obstacle(shallow, boxed).startswith("the box holds stages 3 and 4 of timm_cells tf_efficientnet_lite0")
    assert find_obstacle(shallow, boxed).endswith("not stages 1 and 2")
    assert find_obstacle(shallow, photographs) == ""
    fifth = make_config(Side("fifth", "lifeiqa", {"memory.stage": 5}))
    assert find_obstacle(fifth, photographs) == "nss has the stages 1, 2, 3, 4, not stage 5"


@pytest.fixture(scope="module")
def plan():
    """Every claim about a small decoder on a small backbone."""
    backbone = dict(type="timm_features", name="test_resnet", stages=[1, 2, 3, 4])
    made = Plan(lambda cfg: {**cfg, "backbone": backbone}, {})
    for claim in CLAIMS.values():
        made.add_claim(claim, [make_config(side) for side in (claim.ahead, claim.behind)], claim.match)
    return made


@pytest.mark.slow
def test_matched_claims_have_one_size_and_the_others_are_as_they_are(plan):
    sizes = {variant.label: variant.budget.decoder.params for variant in plan.variants.values()}
    moved = {variant.label for variant in plan.variants.values() if variant.budget.moved}
    assert moved == {"self-attention", "experts in every layer"}
    for test in plan.tests:
        if test.match == "params":
            assert abs(sizes[test.behind] - sizes[test.ahead]) <= 0.01 * sizes[test.ahead]
    assert sizes["one FFN"] < 0.6 * sizes["lifeiqa"]
    for variant in plan.variants.values():
        assert measure_budget(variant.config).decoder.params == sizes[variant.label]


@pytest.mark.slow
def test_a_variant_of_several_claims_is_trained_once(plan):
    assert [(variant.label, variant.share) for variant in plan.variants.values()] == [
        ("stages 3 and 4", 1.0), ("stages 1 and 2", 1.0), ("lifeiqa", 1.0), ("stage 4 as memory", 1.0), ("self-attention", 1.0),
        ("one FFN", 1.0), ("plain queries", 1.0), ("experts in every layer", 1.0), ("lifeiqa, 20 %", 0.2), ("deiqt, 20 %", 0.2),
        ("deiqt", 1.0),
    ]  # fmt: skip
    assert [(test.ahead, test.behind) for test in plan.tests][-2:] == [
        ("lifeiqa, 20 %", "deiqt, 20 %"),
        ("lifeiqa, 20 %", "deiqt"),
    ]
    assert not any(test.why for test in plan.tests)


@pytest.mark.slow
def test_sides_that_cannot_be_built_or_matched_are_kept_with_the_reason(tiny):
    plan = Plan(lambda cfg: {**cfg, "backbone": tiny["backbone"]}, {})
    claim = Claim("c", "", "", Side("a", "x"), Side("b", "x"))
    plan.add_claim(claim, [tiny, {**tiny, "memory": {"type": "grid_pool", "stage": 2}}], "none")
    nothing_to_turn = {**model_config("ridge_baseline"), "queries": dict(type="stage_means", stages=[4])}
    plan.add_claim(claim, [tiny, nothing_to_turn], "params")
    plan.add_untestable(claim, "the box holds stage 4")
    assert "stage" in plan.tests[0].why
    assert plan.tests[1].why.startswith("the sides cannot be brought to one size: ")
    assert plan.tests[2].why == "the box holds stage 4"
    assert not plan.variants
