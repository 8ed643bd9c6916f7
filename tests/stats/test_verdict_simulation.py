"""How often the verdicts are right, in small; ``benchmarks/verdicts.py`` prints the full table."""

import numpy as np
import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.stats.simulation import Scenario, draw_comparisons, simulate_verdicts


def test_the_models_have_the_srocc_that_the_scenario_says():
    # One test part of nearly all images, without noise of training: the SROCC of many images.
    scenario = Scenario(3000, 1, gap=0.05, test_fraction=0.99, training_noise=0.0)
    a_S, b_S, sampling = next(draw_comparisons(scenario, 1))
    assert (a_S[0], b_S[0]) == pytest.approx((0.85, 0.8), abs=0.02)
    assert a_S[0] - b_S[0] == pytest.approx(0.05, abs=3 * sampling.se)
    assert sampling.images == 2970


@pytest.mark.slow
def test_the_noise_of_training_is_that_of_the_scenario():
    # Nearly all images are tested: SROCCs differ between trainings by the noise, 2 / sqrt(1000) = .063.
    numbers = dict(test_fraction=0.99, training_noise=2.0, lasting_error=1.0)
    fresh, lasting = (
        next(draw_comparisons(Scenario(1000, 30, lasting_noise=share, **numbers), 1))[0] for share in (0.0, 1.0)
    )
    assert fresh.std() == pytest.approx(2 / np.sqrt(1000), rel=0.35)
    assert lasting.std() < 0.005


@pytest.mark.slow
@pytest.mark.parametrize("splits", [5, 10])
def test_equal_models(splits):
    # 200 comparisons: the coverage has a standard error of 1.5 %.
    rates = simulate_verdicts(Scenario(130, splits), 200)
    assert 0.91 < rates.coverage < 0.995
    assert rates.ahead + rates.behind < 0.08
    assert rates.equivalent < 0.1  # 130 images cannot show it
    assert rates.mean_se == pytest.approx(rates.true_se, rel=0.25)


@pytest.mark.slow
def test_a_gap_of_three_margins_is_not_called_equivalent():
    rates = simulate_verdicts(Scenario(400, 5, gap=0.03), 100)
    assert rates.equivalent < 0.05
    assert rates.behind == 0
    assert rates.ahead > 0.2


@pytest.mark.slow
def test_equivalence_is_shown_where_the_data_suffice():
    alike = Scenario(1162, 5, common_error=0.98, training_noise=0.02)
    assert simulate_verdicts(alike, 20).equivalent > 0.7
    assert simulate_verdicts(Scenario(130, 5, common_error=0.5), 40).equivalent == 0


def test_splits_below_five_are_undecided():
    assert simulate_verdicts(Scenario(130, 4, gap=0.15), 20).undecided == 1


def test_scenarios_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        Scenario(130, 5, gap=0.3)
    with pytest.raises(InputError, match="common_error is 1.5"):
        Scenario(130, 5, common_error=1.5)
    with pytest.raises(InputError, match="5 images"):
        Scenario(5, 5)
