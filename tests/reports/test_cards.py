"""Cards as data."""

from iqa_zoo.reports.cards import load_cards, published


def test_published_numbers_are_found_by_model_and_dataset(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "models: [a, a_small]\npublished:\n  - {model: a, dataset: livec, srocc: 0.9, plcc: 0.91}\n"
    )
    cards = load_cards(tmp_path)
    assert set(cards) == {"a", "a_small"}
    assert published(cards, "a", "livec") == (0.9, 0.91)
    assert published(cards, "a_small", "livec") is None
    assert published(cards, "a", "spaq") is None
    assert published(cards, "b", "livec") is None
