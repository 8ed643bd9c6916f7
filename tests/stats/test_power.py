"""The gap that a dataset detects, against independent simulations."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from iqa_zoo.errors import InputError
from iqa_zoo.stats.paired import compute_williams_p, paired
from iqa_zoo.stats.power import compute_gap_ratio, find_detectable_gap


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_images", "base_srocc", "gap"),
    # Published sets of 8:2 splits at the level of published results, simulated independently.
    [(232, 0.875, 0.034), (600, 0.892, 0.018)],
)
def test_detectable_gap_agrees_with_an_independent_simulation(num_images, base_srocc, gap):
    assert find_detectable_gap(num_images, base_srocc, repeats=200) == pytest.approx(gap, rel=0.2)


@pytest.mark.slow
def test_a_detectable_gap_is_detected_at_its_power():
    # Drawn and tested another way: correlations by Cholesky, SROCCs by scipy.
    gap = find_detectable_gap(100, 0.7, repeats=300, error_correlation=0.3)
    r_a, r_b = (2 * np.sin(np.pi * value / 6) for value in (0.7, 0.7 + gap))
    r_ab = r_a * r_b + 0.3 * np.sqrt((1 - r_a**2) * (1 - r_b**2))
    lower = np.linalg.cholesky(np.array([[1, r_a, r_b], [r_a, 1, r_ab], [r_b, r_ab, 1]]))
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(250):
        mos, a, b = lower @ rng.normal(size=(3, 100))
        sroccs = [spearmanr(*both).statistic for both in ((a, mos), (b, mos), (a, b))]
        found += compute_williams_p(*sroccs, 100) < 0.05
    assert 0.72 < found / 250 < 0.88


@pytest.mark.slow
def test_more_images_see_smaller_gaps():
    gaps = [find_detectable_gap(count, 0.8, repeats=60) for count in (50, 200, 800)]
    assert gaps[0] > 1.5 * gaps[1] > 2.25 * gaps[2]
    assert np.isnan(find_detectable_gap(6, 0.98, repeats=50))
    with pytest.raises(InputError, match="base_srocc is 1"):
        find_detectable_gap(100, 1.0)
    with pytest.raises(InputError, match="3 test images"):
        find_detectable_gap(3, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("splits", [3, 10])
def test_the_ratio_is_that_of_the_corrected_interval(splits):
    """Differences of splits that overlap by a fifth: the interval excludes 0 in 80 % of the draws."""
    gap = compute_gap_ratio(splits, power=0.8, level=0.05) * (1.959964 + 0.841621)  # of deviation 1 on one split
    rng = np.random.default_rng(0)
    shared, own = rng.standard_normal((1500, 1)), rng.standard_normal((1500, splits))
    rows = 0.1 * (gap + np.sqrt(0.2) * shared + np.sqrt(0.8) * own)
    found = [paired(row, np.zeros(splits), test_train_ratio=0.25).low > 0 for row in rows]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)
