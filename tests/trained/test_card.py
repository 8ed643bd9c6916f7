"""The card says what the description says, failures included."""

from dataclasses import replace

import pytest

from iqa_zoo.trained.battery import CHANGES, DISTORTIONS, Battery
from iqa_zoo.trained.card import draw_battery, format_card, list_failures


def test_the_card_has_every_number_of_the_description(released):
    entry = released.entry
    card = format_card(entry, "pictures/tiny.noise.png")
    assert card.startswith("# tiny.noise\n")
    assert f"| SROCC | {entry.measured.srocc.mean:.3f} |" in card
    assert f"{entry.measured.coverage:.1%} of held-out ratings are inside" in card
    assert entry.sha256[:12] in card
    assert "](pictures/tiny.noise.png)" in card
    assert "training data: CC0" in card
    for name in (*DISTORTIONS, *CHANGES):
        assert f"| {name} |" in card
    assert "![" not in format_card(entry)


@pytest.fixture
def perfect(released):
    scores = {name: [[90.0, 80, 70, 60, 50, 40]] for name in DISTORTIONS}
    battery = Battery(("one",), scores, dict.fromkeys(DISTORTIONS, 1.0), {name: [0.1] for name in CHANGES})
    return replace(released.entry, battery=battery)


def test_failures_are_named_and_only_those(perfect):
    assert len(list_failures(perfect)) == 2  # the width of intervals, and the data
    battery = perfect.battery
    worse = replace(
        battery, ordered={**battery.ordered, "blur": 0.6}, changes={**battery.changes, "mirrored": [1.0, -7.0]}
    )
    found = list_failures(replace(perfect, battery=worse))
    assert len(found) == 4
    assert "blur: only 60% of the steps" in found[1]
    assert "mirrored: the score of the same photograph moves by up to 7.0 points." in found[2]


def test_the_picture_has_a_panel_for_each_distortion(released):
    axes = draw_battery(released.entry).axes
    assert [axis.get_title() for axis in axes] == list(DISTORTIONS)
    assert len(axes[0].lines) == len(released.entry.battery.photographs) + 1
