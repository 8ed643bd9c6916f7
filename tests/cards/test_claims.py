"""Claims in cards: those of the package, those of plugins, and cards that cannot be read."""

import pytest

from iqa_zoo.cards import load_cards
from iqa_zoo.cards.claims import find_claims, list_claim_cards, read_claims, select_claims
from iqa_zoo.errors import ConfigError, UnknownName

A = {"id": "a_over_b", "sentence": "A beats B.", "source": "table 1", "ahead": {"name": "A"}, "behind": {"name": "B"}}


def make_card(*claims):
    return {"models": ["mine", "mine_small"], "claims": list(claims)}


def test_life_iqa_s_claims_are_the_seven_of_its_paper_the_share_of_data_in_two_readings():
    assert [claim.id for claim in find_claims("lifeiqa")] == [
        "deep_stages", "stage_3_memory", "gcn_over_attention", "moe_over_ffn", "guided_queries", "post_posed_experts",
        "share_20", "share_20_against_all",
    ]  # fmt: skip
    assert [claim.match for claim in find_claims("lifeiqa")] == [
        "none",
        "none",
        "params",
        "none",
        "none",
        "params",
        "none",
        "none",
    ]
    for claim in find_claims("lifeiqa"):
        assert claim.source
        assert claim.note
        assert claim.sentence.endswith(".")


def test_every_card_s_claims_can_be_read():
    for card in load_cards().values():
        if card.get("claims"):
            assert read_claims(card)


def test_a_side_is_of_the_card_s_first_model_and_whole_unless_it_says_otherwise():
    changed = {"name": "B", "model": "deiqt", "overrides": {"dim": 96}, "share": 0.2}
    [claim] = read_claims(make_card({**A, "behind": changed, "match": "macs"}))
    assert (claim.ahead.model, claim.ahead.share, claim.ahead.overrides) == ("mine", 1.0, {})
    assert (claim.behind.model, claim.behind.share, claim.behind.overrides) == ("deiqt", 0.2, {"dim": 96})
    assert (claim.match, claim.note) == ("macs", "")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({**A, "sentance": "x"}, "claims.0.sentance: unknown key 'sentance'; did you mean 'sentence'?"),
        ({key: value for key, value in A.items() if key != "source"}, "claims.0.source: is missing"),
        ({**A, "ahead": {"nam": "A"}}, "claims.0.ahead.name: is missing"),
        ({**A, "ahead": "lifeiqa"}, "claims.0.ahead: expected a name, a model and overrides, got 'lifeiqa'"),
        ({**A, "ahead": {"name": "A", "share": 20}}, "claims.0.ahead.share: expected float from 0.01 to 1, got 20"),
        ({**A, "match": "param"}, "claims.0.match: expected one of 'params', 'macs', 'none', got 'param'; did you mean 'params'?"),
        ("a_over_b", "claims.0.id: is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(given, problem):
    with pytest.raises(ConfigError) as raised:
        read_claims(make_card(given))
    assert any(each.startswith(problem) for each in raised.value.problems), raised.value.problems
    assert raised.value.title == "the claims in the card of mine"


def test_two_claims_of_one_id_are_a_problem():
    with pytest.raises(ConfigError, match="the id 'a_over_b' is given twice"):
        read_claims(make_card(A, A))


def test_claims_are_selected_by_id_in_the_order_of_the_card():
    claims = read_claims(make_card(A, {**A, "id": "c_over_d"}))
    assert select_claims(claims, []) == claims
    assert [claim.id for claim in select_claims(claims, ["c_over_d", "a_over_b", "c_over_d"])] == [
        "a_over_b",
        "c_over_d",
    ]
    with pytest.raises(UnknownName, match="unknown claim 'c_over_e'; did you mean 'c_over_d'"):
        select_claims(claims, ["c_over_e"])


@pytest.mark.slow
def test_a_plugin_brings_claims_and_is_not_imported_for_them(install, tmp_path):
    install("claim-plugin", {"models": {"claimed": "claimed_models.mine:claimed"}})
    package = tmp_path / "site" / "claim-plugin" / "claimed_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text("raise AssertionError('imported')")
    card = "models: [claimed]\npublished: []\nclaims: [{id: wide, sentence: Wide is better., source: table 2, ahead: {name: wide}, "
    (package / "card.yaml").write_text(card + "behind: {name: narrow, overrides: {dim: 8}}}]")
    assert find_claims("claimed")[0].behind.overrides == {"dim": 8}
    assert sorted(list_claim_cards()) == ["claimed", "lifeiqa"]
    with pytest.raises(
        UnknownName, match="no card holds claims about 'lifeiqa_tiny'; models with claims: claimed, lifeiqa"
    ):
        find_claims("lifeiqa_tiny")
