"""How well classes separate: numbers that are known, contents that have no vote, layouts that repeat themselves."""

import numpy as np
import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.stats.separability import assign_quality_bands, embed_tsne, measure_separability


def test_noise_is_at_chance_and_apart_is_perfect():
    rng = np.random.default_rng(0)
    classes = ["a", "b", "c"] * 60
    contents = [str(i) for i in range(180)]
    noise = rng.standard_normal((180, 4))
    found = measure_separability(noise, classes, contents)
    assert abs(found.silhouette) < 0.1
    assert abs(found.accuracy - found.chance) < 0.15
    assert found.chance == pytest.approx(1 / 3)
    centres = np.array([{"a": [9, 0, 0, 0], "b": [0, 9, 0, 0], "c": [0, 0, 9, 0]}[kind] for kind in classes])
    apart = measure_separability(noise + centres, classes, contents)
    assert apart.accuracy == 1
    assert apart.silhouette > 0.5


def test_neighbours_of_the_same_content_have_no_vote():
    rng = np.random.default_rng(1)
    contents = np.repeat(np.arange(40), 5)
    place = rng.standard_normal((40, 3))[contents] + 0.01 * rng.standard_normal((200, 3))
    classes = rng.choice(["a", "b"], 40)[contents].tolist()  # a content tells its class, and nothing else does
    assert measure_separability(place, classes, [str(c) for c in contents]).accuracy < 0.75


def test_what_cannot_be_separated_is_refused():
    with pytest.raises(InputError, match="every image is of the class 'a'"):
        measure_separability(np.zeros((9, 2)), ["a"] * 9, [str(i) for i in range(9)])
    with pytest.raises(InputError, match="2 contents are too few"):
        measure_separability(np.zeros((9, 2)), ["a", "b", "b"] * 3, ["x", "y", "y"] * 3)


def test_bands_are_thirds_by_rank_and_turn_with_the_scale():
    mos = np.array([5.0, 1.0, 9.0, 3.0, 7.0, 8.0])
    assert assign_quality_bands(mos) == ["middle", "low", "high", "low", "middle", "high"]
    assert assign_quality_bands(mos, higher_is_better=False) == ["middle", "high", "low", "high", "middle", "low"]


@pytest.mark.slow
def test_a_layout_repeats_itself_and_keeps_groups_together():
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((60, 8)) + 12.0 * (np.arange(60) % 2)[:, None]
    first = embed_tsne(vectors, seed=3)
    np.testing.assert_array_equal(first, embed_tsne(vectors, seed=3))
    assert first.shape == (60, 2)
    distances = np.linalg.norm(first[:, None] - first[None], axis=2) + np.eye(60) * 1e9
    assert all(i % 2 == j % 2 for i, j in enumerate(distances.argmin(1)))
