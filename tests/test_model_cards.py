"""The cards: every number that can be computed is computed again, every model has a card."""

import subprocess
import sys
from pathlib import Path

import pytest

from iqa_zoo.cards import find_published, load_cards, load_plugin_cards, read_cards
from iqa_zoo.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_markdown_is_what_the_data_and_the_code_say():
    command = [sys.executable, str(ROOT / "model_cards" / "generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr


def test_every_built_in_model_has_one_card_and_every_card_models():
    cards = load_cards()
    assert set(cards) == {name for name in MODELS.names() if MODELS.origin(name) == "iqa_zoo"}


def test_published_numbers_are_correlations_of_models_on_the_card():
    for name, card in load_cards().items():
        assert name in card["models"]
        for row in card["published"]:
            assert row["model"] in card["models"]
            assert 0 < row["srocc"] <= 1
            assert 0 < row["plcc"] <= 1


def test_a_plugin_brings_the_card_of_its_model_and_is_not_imported_for_it(install, tmp_path):
    install("card-plugin", {"models": {"carded": "carded_models.mine:carded"}})
    package = tmp_path / "site" / "card-plugin" / "carded_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text("raise AssertionError('imported')")
    (package / "card.yaml").write_text(
        "models: [carded]\npublished: [{model: carded, dataset: livec, srocc: 0.8, plcc: 0.7}]"
    )
    assert find_published(load_plugin_cards(), "carded", "livec") == (0.8, 0.7)
    assert find_published(load_plugin_cards(), "carded", "kadid10k") is None


def test_a_plugin_without_a_card_has_none(install):
    install("bare-plugin", {"models": {"bare": "bare_models:bare"}}, bare_models="raise AssertionError('imported')")
    assert "bare" not in load_plugin_cards()


def test_a_card_without_a_model_says_why_and_where_its_numbers_are_from():
    cards = [card for card in read_cards() if not card["models"]]
    assert [card["title"] for card in cards] == ["FsPN", "VISGA"]
    for card in cards:
        assert card["no_model"]
        assert card["published_note"]
        assert card["title"].lower() not in MODELS.names()
        for row in card["published"]:
            assert 0 < row["srocc"] <= 1
            assert 0 < row["plcc"] <= 1
