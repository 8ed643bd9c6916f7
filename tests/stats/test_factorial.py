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


def test_an_additive_table_is_recovered_and_has_no_interactions():
    told = factorial.analyze_factors(additive(LEVELS), LEVELS, 0.25)
    assert told["complete"]
    assert told["grand"] == pytest.approx(0.7 + SPLIT_S.mean())
    for row in told["main"]:
        planted = PLANTED[row["factor"]][row["level"]]
        assert row["effect"] == pytest.approx(planted, abs=1e-12)
        assert row["srocc"] == pytest.approx(told["grand"] + planted)
        assert row["verdict"] == ("better" if planted > 0 else "worse" if planted < 0 else "undecided")
    assert len(told["interactions"]) == 2 * 3 + 2 * 3 + 3 * 3
    assert all(row["effect"] == pytest.approx(0, abs=1e-12) and row["tie"] for row in told["interactions"])
    assert sum(told["shares"].values()) == pytest.approx(1)
    assert told["shares"]["rest"] == pytest.approx(0, abs=1e-9)


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


def test_missing_combinations_bias_nothing():
    """Without one of the best combinations of moe its plain mean would be too low."""
    levels = [row for row in LEVELS if not (row["head"] == "moe" and row["memory"] == "grid")] + [LEVELS[2]]
    told = factorial.analyze_factors(additive(levels), levels, 0.25)
    assert not told["complete"]
    for row in told["main"]:
        assert row["effect"] == pytest.approx(PLANTED[row["factor"]][row["level"]], abs=1e-12)
    assert told["grand"] == pytest.approx(0.7 + SPLIT_S.mean())
    assert all(row["tie"] for row in told["interactions"])


def test_a_pair_with_an_empty_cell_is_undetermined_and_the_others_are_not():
    levels = [row for row in LEVELS if not (row["head"] == "moe" and row["memory"] == "grid")]
    told = factorial.analyze_factors(additive(levels) + noise(count=len(levels)), levels, 0.25)
    assert told["unknown"] == [["memory", "head"]]
    assert {tuple(row["factors"]) for row in told["interactions"]} == {("queries", "memory"), ("queries", "head")}


def test_without_pairs_the_main_effects_are_the_same():
    srocc_SC = additive(LEVELS) + noise(count=len(LEVELS))
    told, all_told = (
        factorial.analyze_factors(srocc_SC, LEVELS, 0.25, pairs=False),
        factorial.analyze_factors(srocc_SC, LEVELS, 0.25),
    )
    assert told["main"] == all_told["main"]
    assert told["interactions"] == []
    assert set(told["shares"]) == {"queries", "memory", "head", "rest"}


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


def test_levels_that_only_come_together_are_not_told_apart():
    levels = [row for row in LEVELS if (row["head"] == "moe") == (row["memory"] == "both")]
    told = factorial.analyze_factors(additive(levels), levels, 0.25)
    assert "cannot be told apart" in told["why"]
    assert told["main"] == told["interactions"] == []


def test_a_planted_interaction_is_found_and_stands_first():
    scores_SC = additive(LEVELS) + 0.1 * noise()
    scores_SC[:, [row["memory"] == "grid" and row["head"] == "moe" for row in LEVELS]] += 0.09
    first = factorial.analyze_factors(scores_SC, LEVELS, 0.25)["interactions"][0]
    assert first["levels"] == ["grid", "moe"]
    assert first["effect"] == pytest.approx(0.09 * 4 / 9, abs=0.002)  # the rest is in the two main effects
    assert first["verdict"] == "better"
    assert first["low"] < first["effect"] < first["high"]


@pytest.mark.slow
def test_noise_alone_is_undecided():
    verdicts = []
    for seed in range(40):
        told = factorial.analyze_factors(0.7 + SPLIT_S[:, None] + noise(seed), LEVELS, 0.25)
        verdicts += [all(row["tie"] for row in told[family]) for family in ("main", "interactions")]
    assert np.mean(verdicts) > 0.9


def test_two_levels_are_one_hypothesis():
    levels = [dict(head=head) for head in ("a", "b")]
    rows = factorial.analyze_factors([[0.7, 0.71], [0.71, 0.73], [0.69, 0.72]], levels, 0.25)["main"]
    assert rows[0]["effect"] == -rows[1]["effect"]
    assert rows[0]["p_holm"] == rows[0]["p"] == pytest.approx(rows[1]["p"])


def test_effects_that_differ_in_sign_on_some_splits_only_are_two_hypotheses():
    rows = [({}, np.array([0.1, 0.1, 0.11])), ({}, np.array([0.1, -0.1, 0.11]))]
    made = factorial._add_effects(rows, 0.25)
    assert made[0]["p_holm"] == pytest.approx(2 * made[0]["p"])


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="a row a split"):
        factorial.fit_main_effects(np.zeros((2, 3)), LEVELS)
    with pytest.raises(InputError, match="not finite"):
        factorial.analyze_factors(additive(LEVELS) * np.nan, LEVELS, 0.25)
    with pytest.raises(InputError, match="at least two"):
        factorial.analyze_factors(additive(LEVELS)[:1], LEVELS, 0.25)
