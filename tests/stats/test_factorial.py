"""Effects and interactions of factors, on tables whose effects are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.errors import InputError
from iqa_zoo.stats import factorial

NAMES = dict(queries=["learned", "guided"], memory=["grid", "tokens", "both"], head=["linear", "ffn", "moe"])
LEVELS = [dict(zip(NAMES, row, strict=True)) for row in itertools.product(*NAMES.values())]
PLANTED = dict(
    queries=dict(learned=-0.01, guided=0.01),
    memory=dict(grid=0.02, tokens=-0.03, both=0.01),
    head=dict(linear=-0.02, ffn=0.0, moe=0.02),
)
SPLIT_S = np.array([0.0, 0.03, -0.02, 0.01])  # splits differ in how hard they are


def additive(levels):
    sums_C = np.array([sum(PLANTED[factor][level] for factor, level in row.items()) for row in levels])
    return 0.7 + SPLIT_S[:, None] + sums_C


def noise(seed=0, count=18):
    return np.random.default_rng(seed).normal(0, 0.01, (len(SPLIT_S), count))


def test_on_a_complete_table_least_squares_is_the_formula_of_means():
    scores_SC = additive(LEVELS) + noise()

    def mean(**fixed):
        chosen = [i for i, row in enumerate(LEVELS) if all(row[factor] == level for factor, level in fixed.items())]
        return scores_SC[:, chosen].mean(1)

    main = factorial.fit_main_effects(scores_SC, LEVELS)
    for factor, names in NAMES.items():
        for level in names:
            np.testing.assert_allclose(main[factor][level], mean(**{factor: level}) - mean(), atol=1e-12)
    for (first, second), cells in factorial.fit_interactions(scores_SC, LEVELS).items():
        for (a, b), effect_S in cells.items():
            cell = mean(**{first: a, second: b})
            expected = cell - mean(**{first: a}) - mean(**{second: b}) + mean()
            np.testing.assert_allclose(effect_S, expected, atol=1e-12)


@pytest.mark.slow
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 3))
def test_what_is_drawn_first_is_even(sizes, seed):
    factors = [[f"{i}.{k}" for k in range(size)] for i, size in enumerate(sizes)]
    grid = [dict(enumerate(row)) for row in itertools.product(*factors)]
    order = list(factorial.draw_evenly(grid, seed))
    assert sorted(map(str, order)) == sorted(map(str, grid))
    for n in (len(grid) // 3, max(sizes), len(grid)):
        for i, names in enumerate(factors):
            times = [sum(row[i] == name for row in order[:n]) for name in names]
            assert max(times) - min(times) <= 1 + n // max(1, len(names) * 4)


def test_shares_add_up_to_1_and_those_of_an_additive_table_leave_no_rest():
    shares = factorial.compute_variance_shares(additive(LEVELS), LEVELS)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["rest"] == pytest.approx(0, abs=1e-9)
    assert set(factorial.compute_variance_shares(additive(LEVELS), LEVELS, [])) == {"queries", "memory", "head", "rest"}


def test_equal_scores_have_no_variance_to_share():
    assert set(factorial.compute_variance_shares(np.full((3, len(LEVELS)), 0.7), LEVELS).values()) == {0.0}


def test_refuses():
    with pytest.raises(InputError, match="a row a split"):
        factorial.fit_main_effects(np.zeros((2, 3)), LEVELS)
    with pytest.raises(InputError, match="not finite"):
        factorial.fit_main_effects(additive(LEVELS) * np.nan, LEVELS)
    levels = [row for row in LEVELS if (row["head"] == "moe") == (row["memory"] == "both")]
    with pytest.raises(InputError, match="cannot be separated"):
        factorial.fit_main_effects(additive(levels), levels)
