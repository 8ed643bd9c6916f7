"""Cards as data."""

from iqa_zoo.reports.cards import load_cards, published, published_only


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


def test_a_system_without_a_model_keeps_its_published_numbers(tmp_path):
    row = "published:\n  - {model: x, dataset: livec, srocc: 0.9, plcc: 0.91}\n"
    (tmp_path / "x.yaml").write_text(f"title: X\nmodels: []\n{row}")
    (tmp_path / "y.yaml").write_text(f"title: Y\nmodels: [x]\n{row}")
    assert set(load_cards(tmp_path)) == {"x"}
    assert published_only(tmp_path, "livec") == {"X": (0.9, 0.91)}
    assert published_only(tmp_path, "spaq") == {"X": None}
