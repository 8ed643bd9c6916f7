"""Main effects and interactions estimated over splits: planted effects, verdicts, and the error of sampling test images."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.effects import analyze_factors, estimate_effect
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import compute_sampling_se, delete_images

NAMES = dict(queries=["learned", "guided"], memory=["grid", "tokens", "both"], head=["linear", "ffn", "moe"])
LEVELS = [dict(zip(NAMES, row, strict=True)) for row in itertools.product(*NAMES.values())]
PLANTED = dict(
    queries=dict(learned=-0.004, guided=0.004),
    memory=dict(grid=0.02, tokens=-0.03, both=0.01),
    head=dict(linear=-0.02, ffn=0.0, moe=0.02),
)
SPLIT_S = np.array([0.0, 0.03, -0.02, 0.01, 0.02])  # splits differ in how hard they are


def add_up(levels, splits=5):
    sums_C = np.array([sum(PLANTED[factor][level] for factor, level in row.items()) for row in levels])
    return 0.7 + np.resize(SPLIT_S, splits)[:, None] + sums_C


def draw_noise(seed=0, splits=5, count=18, spread=0.001):
    return np.random.default_rng(seed).normal(0, spread, (splits, count))


def get_verdicts(found, family="main"):
    return {(row["factor"], row["level"]): row["verdict"] for row in found[family]}


def test_planted_effects_have_their_verdict():
    found = analyze_factors(add_up(LEVELS) + draw_noise(), LEVELS, 0.25, margin=0.008)
    assert found["complete"]
    assert get_verdicts(found) == {
        ("queries", "learned"): "equivalent",
        ("queries", "guided"): "equivalent",
        ("memory", "grid"): "ahead",
        ("memory", "tokens"): "behind",
        ("memory", "both"): "ahead",
        ("head", "linear"): "behind",
        ("head", "ffn"): "equivalent",
        ("head", "moe"): "ahead",
    }
    assert {row["verdict"] for row in found["interactions"]} == {"equivalent"}
    assert found["grand"] == pytest.approx(0.7 + SPLIT_S.mean(), abs=0.001)
    for row in found["main"]:
        assert row["mean"] == pytest.approx(PLANTED[row["factor"]][row["level"]], abs=0.001)
        assert row["srocc"] == pytest.approx(found["grand"] + row["mean"])
        assert row["low"] < row["mean"] < row["high"]
        assert (row["margin"], row["count"]) == (0.008, 5)


def test_an_effect_is_the_paired_difference_of_its_level_and_the_mean_of_all():
    srocc_SC = add_up(LEVELS) + draw_noise(spread=0.02)
    [row] = [row for row in analyze_factors(srocc_SC, LEVELS, 0.25)["main"] if row["level"] == "moe"]
    moe_S = srocc_SC[:, [level["head"] == "moe" for level in LEVELS]].mean(1)
    # Contrasts: one of queries, three of memory, three of head.
    expected = paired(moe_S, srocc_SC.mean(1), test_train_ratio=0.25, pairs=7)
    assert row["pairs"] == 7
    for key in ("mean", "low", "high", "p", "se", "p_ahead", "p_within", "p_behind"):
        assert row[key] == pytest.approx(getattr(expected, key)), key
    assert row["verdict"] == expected.verdict
    # The same by hand, for the corrected t.
    difference_S = moe_S - srocc_SC.mean(1)
    half = scipy.stats.t.isf(0.05 / 14, 4) * math.sqrt((1 / 5 + 0.25) * difference_S.var(ddof=1))
    assert row["high"] == pytest.approx(difference_S.mean() + half)


def test_interactions_are_adjusted_for_their_distinct_contrasts():
    found = analyze_factors(add_up(LEVELS) + draw_noise(), LEVELS, 0.25)
    assert len(found["interactions"]) == 2 * 3 + 2 * 3 + 3 * 3
    assert {row["pairs"] for row in found["interactions"]} == {3 + 3 + 9}  # two levels mirror each other


def draw_predictions(models, images=60, splits=5, tested=15, seed=0):
    rng = np.random.default_rng(seed)
    mos = {f"{i}.png": float(rng.normal()) for i in range(images)}
    parts = [rng.permutation(list(mos))[:tested].tolist() for _ in range(splits)]
    scores = {
        model: [{name: mos[name] + noise * rng.normal() for name in part} for part in parts]
        for model, noise in models.items()
    }
    srocc = [
        [
            scipy.stats.spearmanr([each[j][name] for name in part], [mos[name] for name in part]).statistic
            for each in scores.values()
        ]
        for j, part in enumerate(parts)
    ]
    return scores, mos, np.array(srocc)


def test_the_error_of_sampling_an_effect_of_two_levels_is_half_that_of_their_difference():
    scores, mos, srocc_SC = draw_predictions(dict(a=0.5, b=0.6))
    both = compute_sampling_se(scores["a"], scores["b"], mos)
    found = analyze_factors(srocc_SC, [dict(head="a"), dict(head="b")], 0.25, sampling=delete_images(scores, mos))
    expected = paired(srocc_SC[:, 0], srocc_SC[:, 1], test_train_ratio=0.25, sampling_se=both, margin=0.02)
    [first, second] = found["main"]
    assert (2 * first["mean"], 2 * first["se"]) == (pytest.approx(expected.mean), pytest.approx(expected.se))
    assert first["p_within"] == pytest.approx(expected.p_within)  # the margin of half a difference is half the margin
    assert first["method"] == "corrected t + jackknife"
    assert (first["low"], first["high"]) == (pytest.approx(-second["high"]), pytest.approx(-second["low"]))


def test_two_lucky_splits_do_not_make_an_interval_narrow():
    # The effect is nearly the same on both splits, but 15 images each cannot show it so exactly.
    scores, mos, _ = draw_predictions(dict(a=0.5, b=0.6), splits=2)
    srocc_SC, levels = [[0.8, 0.75], [0.82, 0.7701]], [dict(head="a"), dict(head="b")]
    without = analyze_factors(srocc_SC, levels, 0.25)["main"][0]
    found = analyze_factors(srocc_SC, levels, 0.25, sampling=delete_images(scores, mos))["main"][0]
    assert without["low"] > 0
    assert found["low"] < 0
    assert without["verdict"] == found["verdict"] == "undecided"


@pytest.mark.parametrize("splits", [1, 2, 4])
def test_fewer_than_five_splits_are_undecided_and_name_how_many_are_needed(splits):
    found = analyze_factors(add_up(LEVELS, splits) + draw_noise(splits=splits), LEVELS, 0.25)
    for row in (*found["main"], *found["interactions"]):
        assert row["verdict"] == "undecided"
        assert row["needed"] == "at least 5 splits"
        assert -2 <= row["low"] <= row["mean"] <= row["high"] <= 2
    if splits == 1:
        assert (found["main"][0]["low"], found["main"][0]["high"]) == (-2, 2)


def test_an_undecided_effect_says_what_would_decide():
    noise = draw_noise(spread=0.05)
    rows = analyze_factors(add_up(LEVELS) + noise, LEVELS, 0.25)["main"]
    undecided = [row for row in rows if row["verdict"] == "undecided"]
    assert undecided
    assert all("times the rated images" in row["needed"] for row in undecided)


def test_equal_scores_in_all_cells_are_equivalent():
    found = analyze_factors(np.full((5, len(LEVELS)), 0.7), LEVELS, 0.25)
    assert {row["verdict"] for row in (*found["main"], *found["interactions"])} == {"equivalent"}
    assert {row["mean"] for row in found["main"]} == {0}
    assert set(found["shares"].values()) == {0}


def test_equal_predictions_in_all_cells_are_equivalent():
    scores, mos, srocc_SC = draw_predictions(dict(a=0.5))
    levels = [dict(head=head) for head in "abc"]
    same = delete_images(dict.fromkeys("abc", scores["a"]), mos)
    found = analyze_factors(np.repeat(srocc_SC, 3, axis=1), levels, 0.25, sampling=same)
    assert {row["verdict"] for row in found["main"]} == {"equivalent"}
    assert max(row["se"] for row in found["main"]) < 1e-9


def test_a_level_that_exists_once_has_an_effect_and_undetermined_interactions():
    levels = [row for row in LEVELS if row["head"] != "moe"] + [dict(queries="guided", memory="grid", head="moe")]
    found = analyze_factors(add_up(levels) + draw_noise(count=len(levels), spread=1e-4), levels, 0.25)
    [moe] = [row for row in found["main"] if row["level"] == "moe"]
    assert (moe["combinations"], moe["verdict"]) == (1, "ahead")
    assert moe["mean"] == pytest.approx(0.02, abs=0.001)
    assert found["unknown"] == [["queries", "head"], ["memory", "head"]]
    assert {tuple(row["factors"]) for row in found["interactions"]} == {("queries", "memory")}


def test_missing_combinations_bias_nothing():
    """Without one of the best combinations of moe its plain mean would be too low."""
    levels = [row for row in LEVELS if not (row["head"] == "moe" and row["memory"] == "grid")] + [LEVELS[2]]
    found = analyze_factors(add_up(levels), levels, 0.25)
    assert not found["complete"]
    for row in found["main"]:
        assert row["mean"] == pytest.approx(PLANTED[row["factor"]][row["level"]], abs=1e-12)
    assert found["grand"] == pytest.approx(0.7 + SPLIT_S.mean())
    assert all(row["mean"] == pytest.approx(0, abs=1e-12) for row in found["interactions"])


def test_a_pair_with_an_empty_cell_is_undetermined_and_the_others_are_not():
    levels = [row for row in LEVELS if not (row["head"] == "moe" and row["memory"] == "grid")]
    found = analyze_factors(add_up(levels) + draw_noise(count=len(levels)), levels, 0.25)
    assert found["unknown"] == [["memory", "head"]]
    assert {tuple(row["factors"]) for row in found["interactions"]} == {("queries", "memory"), ("queries", "head")}


def test_without_interactions_the_main_effects_are_the_same():
    srocc_SC = add_up(LEVELS) + draw_noise()
    found, whole = (analyze_factors(srocc_SC, LEVELS, 0.25, interactions=wanted) for wanted in (False, True))
    assert found["main"] == whole["main"]
    assert found["interactions"] == []
    assert set(found["shares"]) == {"queries", "memory", "head", "rest"}


def test_levels_that_only_come_together_are_not_separated():
    levels = [row for row in LEVELS if (row["head"] == "moe") == (row["memory"] == "both")]
    found = analyze_factors(add_up(levels), levels, 0.25)
    assert "cannot be separated" in found["why"]
    assert found["main"] == found["interactions"] == []


def test_a_planted_interaction_is_found_and_stands_first():
    scores_SC = add_up(LEVELS) + draw_noise()
    scores_SC[:, [row["memory"] == "grid" and row["head"] == "moe" for row in LEVELS]] += 0.09
    first = analyze_factors(scores_SC, LEVELS, 0.25)["interactions"][0]
    assert first["levels"] == ["grid", "moe"]
    assert first["mean"] == pytest.approx(0.09 * 4 / 9, abs=0.002)  # the rest is in the two main effects
    assert first["verdict"] == "ahead"


@pytest.mark.slow
def test_noise_alone_is_never_ahead_in_more_than_5_percent():
    decided = {"main": 0, "interactions": 0}
    for seed in range(100):
        found = analyze_factors(0.7 + SPLIT_S[:, None] + draw_noise(seed, spread=0.05), LEVELS, 0.0)
        for family in decided:
            decided[family] += any(row["verdict"] in ("ahead", "behind") for row in found[family])
    assert max(decided.values()) <= 10  # 5 are expected at most; 11 have a probability of 1 %


def test_an_effect_beyond_a_difference_of_correlations_counts_as_its_end():
    found = estimate_effect([3.0, 2.5, 4.0, 3.0, 2.1], 0.25)
    assert found.mean == 2
    assert (found.low, found.high) == (-2, 2)  # no spread to judge by


def test_refuses():
    with pytest.raises(InputError, match="a row a split"):
        analyze_factors(np.zeros((2, 3)), LEVELS, 0.25)
    with pytest.raises(InputError, match="a row a split"):
        analyze_factors(np.zeros((0, len(LEVELS))), LEVELS, 0.25)
    with pytest.raises(InputError, match="not finite"):
        analyze_factors(add_up(LEVELS) * np.nan, LEVELS, 0.25)
    with pytest.raises(InputError, match="margin is 0"):
        analyze_factors(add_up(LEVELS), LEVELS, 0.25, margin=0)
    assert "fewer than two combinations" in analyze_factors([[0.5], [0.6]], [{"head": "moe"}], 0.25)["why"]
