"""Cards as data."""

from iqa_zoo.cards import find_published, list_published_only, load_cards


def test_published_numbers_are_found_by_model_and_dataset(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "models: [a, a_small]\npublished:\n  - {model: a, dataset: livec, srocc: 0.9, plcc: 0.91}\n"
    )
    cards = load_cards(tmp_path)
    assert set(cards) == {"a", "a_small"}
    assert find_published(cards, "a", "livec") == (0.9, 0.91)
    assert find_published(cards, "a_small", "livec") is None
    assert find_published(cards, "a", "spaq") is None
    assert find_published(cards, "b", "livec") is None


def test_a_system_without_a_model_keeps_its_published_numbers(tmp_path):
    row = "published:\n  - {model: x, dataset: livec, srocc: 0.9, plcc: 0.91}\n"
    (tmp_path / "x.yaml").write_text(f"title: X\nmodels: []\n{row}")
    (tmp_path / "y.yaml").write_text(f"title: Y\nmodels: [x]\n{row}")
    assert set(load_cards(tmp_path)) == {"x"}
    assert list_published_only("livec", tmp_path) == {"X": (0.9, 0.91)}
    assert list_published_only("spaq", tmp_path) == {"X": None}
