"""``paired``: numbers against a closed form and baycomp, verdicts, what would decide, and what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from iqa_zoo.errors import InputError
from iqa_zoo.stats.outlook import SplitSpread
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import SamplingError

A = [0.812, 0.835, 0.821, 0.847, 0.829, 0.818, 0.840, 0.826, 0.833, 0.815]
B = [0.801, 0.829, 0.818, 0.832, 0.825, 0.810, 0.828, 0.829, 0.821, 0.809]


def shares_of_t(mean, se, freedom, margin):
    """Probability above, within and below the margin, by integrating the density of Student's t."""
    constant = special.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * special.gamma(freedom / 2))

    def density(x):
        return constant / se * (1 + ((x - mean) / se) ** 2 / freedom) ** (-(freedom + 1) / 2)

    within = integrate.quad(density, -margin, margin)[0]
    return integrate.quad(density, margin, np.inf)[0], within, integrate.quad(density, -np.inf, -margin)[0]


def test_against_a_closed_form():
    # Differences 11 6 3 15 4 8 12 -3 12 6, in thousandths: mean 7.4, sum of squares about it 256.4, s^2 = 28.489;
    # corrected variance 28.489 (1/10 + 1/4) = 9.9711, se 3.15771; t(.975, 9) = 2.262157.
    found = paired(A, B, test_train_ratio=0.25)
    assert found.mean == pytest.approx(0.0074)
    assert found.se == pytest.approx(0.00315771, abs=1e-8)
    half = 2.262157 * 0.00315771
    assert (found.low, found.high) == pytest.approx((0.0074 - half, 0.0074 + half), abs=1e-7)
    assert (found.p_ahead, found.p_within, found.p_behind) == pytest.approx(
        shares_of_t(0.0074, 0.00315771, 9, 0.01), abs=1e-6
    )
    assert found.p == pytest.approx(1 - shares_of_t(0.0, 1.0, 9, 0.0074 / 0.00315771)[1], abs=1e-6)
    assert (found.count, found.margin, found.method) == (10, 0.01, "corrected t")


@pytest.mark.parametrize(
    ("margin", "left", "rope", "right"),
    [
        (0.01, 0.21578348636680234, 0.7840289428059798, 0.00018757082721787555),
        (0.005, 0.7666650682549994, 0.23159775329254084, 0.0017371784524597977),
    ],
)
def test_against_baycomp(margin, left, rope, right):
    # baycomp 1.0.3: two_on_single(A, B, rope=margin, runs=2); its left is the first model.
    found = paired(A, B, test_train_ratio=0.25, margin=margin)
    assert (found.p_ahead, found.p_within, found.p_behind) == pytest.approx((left, rope, right), abs=1e-12)


def test_without_overlap_it_is_the_ordinary_t_interval():
    found = paired(A, B, test_train_ratio=0, confidence=0.9)
    judge = stats.ttest_rel(A, B)
    assert (found.low, found.high) == pytest.approx(
        (judge.confidence_interval(0.9).low, judge.confidence_interval(0.9).high)
    )
    assert found.p == pytest.approx(judge.pvalue)


@pytest.mark.slow
def test_the_interval_keeps_its_level_on_overlapping_splits():
    # Two models without a true difference, ten random 8:2 splits of one set of images: a split's difference is the
    # mean of what each of its test images adds. The interval contains 0 in 95 % of the cases.
    rng = np.random.default_rng(0)
    naive = corrected = 0
    for _ in range(300):
        effect = 0.1 * rng.normal(size=100)
        differences = [effect[rng.permutation(100)[:20]].mean() for _ in range(10)]
        for ratio in (0, 0.25):
            found = paired(differences, np.zeros(10), test_train_ratio=ratio)
            covers = found.low <= 0 <= found.high
            corrected, naive = (corrected + covers, naive) if ratio else (corrected, naive + covers)
    assert 0.91 < corrected / 300 < 0.99
    assert naive / 300 < 0.85


def test_verdicts():
    b = np.full(5, 0.8)
    wobble = np.array([-2, -1, 0, 1, 2]) / 1000  # se = .001061 at 8:2
    assert paired(b + 0.02 + wobble, b, test_train_ratio=0.25).verdict == "ahead"
    assert paired(b, b + 0.02 + wobble, test_train_ratio=0.25).verdict == "behind"
    near = paired(b + 0.004 + wobble, b, test_train_ratio=0.25)
    assert near.low > 0
    assert near.verdict == "equivalent"  # ahead, but by less than the margin
    assert paired(b + 0.004 + wobble, b, test_train_ratio=0.25, margin=0.002).verdict == "ahead"
    assert paired(b + 0.002 + 10 * wobble, b, test_train_ratio=0.25).verdict == "undecided"


def test_equivalent_where_the_90_percent_interval_lies_within_the_margin():
    b = np.full(10, 0.8)
    a = b + 0.002 + np.linspace(-0.004, 0.004, 10)
    found = paired(a, b, test_train_ratio=0.25)
    wide = paired(a, b, test_train_ratio=0.25, confidence=0.9)
    edge = max(abs(wide.low), abs(wide.high))
    assert found.verdict == "equivalent"
    assert paired(a, b, test_train_ratio=0.25, margin=edge * 1.001).verdict == "equivalent"
    assert paired(a, b, test_train_ratio=0.25, margin=edge * 0.999).verdict == "undecided"


def test_the_number_of_pairs_widens_the_interval():
    one, six = (paired(A, B, test_train_ratio=0.25, pairs=pairs) for pairs in (1, 6))
    assert one.verdict == "ahead"
    assert six.verdict == "undecided"
    assert six.high - six.mean == pytest.approx(special.stdtrit(9, 1 - 0.025 / 6) * one.se)
    assert six.p == pytest.approx(6 * one.p)
    assert (six.p_ahead, six.confidence) == (one.p_ahead, one.confidence)


def test_the_variance_is_never_below_that_of_the_images():
    lucky = [0.825, 0.8251, 0.8249, 0.825, 0.825]
    alone = paired(lucky, [0.8] * 5, test_train_ratio=0.25)
    known = paired(lucky, [0.8] * 5, test_train_ratio=0.25, sampling_se=0.02)
    assert alone.verdict == "ahead"
    assert known.verdict == "undecided"
    assert known.se == pytest.approx(0.02)
    assert known.high - known.mean == pytest.approx(1.959964 * 0.02)
    assert known.method == "corrected t + jackknife"


def test_spread_beyond_that_of_the_images_is_added():
    # s^2 = 28.489e-6; images explain 10e-6 of it and .000004 of the mean: .000004 + .35 * 18.489e-6 = 1.04711e-5.
    # Degrees of freedom: 1.04711^2 / (.647111^2 / 9 + .4^2 / 50) = 22.04.
    sampling = SamplingError(0.002, math.sqrt(10e-6), 50)
    found = paired(A, B, test_train_ratio=0.25, sampling_se=sampling)
    assert found.se**2 == pytest.approx(1.04711e-5, rel=1e-4)
    assert (found.high - found.mean) / found.se == pytest.approx(special.stdtrit(22.04, 0.975), rel=1e-3)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 10**6),
    st.sampled_from([None, 0.0, 0.01, 0.5]),
    st.sampled_from([1, 10]),
)
def test_invariants(count, seed, sampling_se, pairs):
    a, b = np.random.default_rng(seed).uniform(-1, 1, size=(2, count)).round(1)
    arguments = dict(test_train_ratio=0.25, sampling_se=sampling_se, pairs=pairs)
    forth, back = paired(a, b, **arguments), paired(b, a, **arguments)
    assert -2 <= forth.low <= forth.mean <= forth.high <= 2
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert {forth.verdict, back.verdict} in ({"ahead", "behind"}, {"equivalent"}, {"undecided"})
    assert forth.needed == back.needed
    if not math.isnan(forth.p_ahead):
        assert forth.p_ahead + forth.p_within + forth.p_behind == pytest.approx(1)
        assert min(forth.p_ahead, forth.p_within, forth.p_behind) >= -1e-12


def test_few_splits_are_undecided_and_name_how_many_are_needed():
    one = paired([0.9], [0.7], test_train_ratio=0.25)
    assert (one.verdict, one.low, one.high) == ("undecided", -2, 2)
    assert one.needed == "at least 5 splits"
    assert math.isnan(one.se)
    known = paired([0.9], [0.7], test_train_ratio=0.25, sampling_se=0.01)
    assert known.verdict == "undecided"
    assert (known.low, known.high) == pytest.approx((0.2 - 0.0196, 0.2 + 0.0196), abs=1e-4)
    two = paired([0.831, 0.842], [0.8, 0.81], test_train_ratio=0.25)
    assert (two.verdict, two.needed) == ("undecided", "at least 5 splits")
    four = paired([0.9] * 4, [0.7, 0.71, 0.7, 0.71], test_train_ratio=0.25)
    assert four.low > 0
    assert four.verdict == "undecided"


def test_equal_values():
    found = paired([0.8, 0.9, 0.7, 0.8, 0.1 + 0.2], [0.8, 0.9, 0.7, 0.8, 0.3], test_train_ratio=0.25)
    assert (found.verdict, found.p_within, found.low, found.high, found.p) == ("equivalent", 1, 0, 0, 1)
    shifted = paired([0.85] * 5, [0.8] * 5, test_train_ratio=0.25)
    assert (shifted.verdict, shifted.low, shifted.high) == ("undecided", -2, 2)
    assert math.isnan(shifted.se)
    assert (found.needed, shifted.needed) == ("", "")


def test_what_would_decide():
    b = np.full(5, 0.8)
    a = b + 0.01 + np.array([-2, -1, 0, 1, 2]) * 0.005  # s^2 = 6.25e-5, se^2 = .45 s^2 = 2.8125e-5
    found = paired(a, b, test_train_ratio=0.25)
    assert found.verdict == "undecided"
    # The first S at which .01 exceeds t(.975, S - 1) sqrt((1 / S + .25) 6.25e-5).
    decides = [s for s in range(6, 50) if special.stdtrit(s - 1, 0.975) * math.sqrt((1 / s + 0.25) * 6.25e-5) < 0.01]
    # t(.975, 4) = 2.776445: images shrink the variance by (2.776445 sqrt(2.8125e-5) / .01)^2 = 2.17.
    assert found.needed == f"about {decides[0]} splits or 2.2 times the rated images"
    known = paired(a, b, test_train_ratio=0.25, sampling_se=SamplingError(0.02, math.nan, 100, 400))
    # t(.975, 100) = 1.983972: (1.983972 * .02 / .01)^2 = 15.745, times 400 images; no number of splits up to 100.
    assert known.needed == "about 15.8 times the rated images (6,298 to test)"


def test_more_splits_do_not_help_where_all_test_the_same_images():
    # The error of the images, .004, is common to the splits (spread 0); the rest, .35 * 1e-6, shrinks with their number.
    sampling = SamplingError(0.004, 0.0, math.inf, 100)
    a = 0.5 + make_differences(10, 0.005, 0.001)
    found = paired(a, [0.5] * 10, test_train_ratio=0.25, sampling_se=sampling)
    assert found.se**2 == pytest.approx(16e-6 + 0.35e-6)
    assert found.verdict == "undecided"
    assert "splits" not in found.needed
    apart = paired(a, [0.5] * 10, test_train_ratio=0.25, sampling_se=SamplingError(0.004, 0.012, math.inf, 100))
    assert "splits" in apart.needed  # .000016 = .0000016 in common + .000144 / 10


def test_what_would_decide_is_never_below_the_correction_of_nadeau_and_bengio():
    """The five splits seem to have nothing in common (.0067^2 = .015^2 / 5): the error of 100 would be .0015, and decide."""
    sampling = SamplingError(0.0067, 0.015, math.inf, 200)
    found = paired(0.5 + make_differences(5, 0.006, 0.015), [0.5] * 5, test_train_ratio=0.25, sampling_se=sampling)
    assert found.se == pytest.approx(0.0067)
    assert found.verdict == "undecided"
    # By Nadeau and Bengio, the variance is at least .25 * .015^2, a standard error of .0075: .006 never exceeds twice that.
    # Five splits: .45 * .015^2 is a standard error of .010062, and t(.975, 4) = 2.776445: (2.776445 * .010062 / .006)^2 = 21.68.
    assert found.needed == "about 21.7 times the rated images (4,337 to test)"


@settings(max_examples=50, deadline=None)
@given(st.floats(0.001, 0.05), st.floats(0.001, 0.05), st.floats(0.001, 0.05), st.integers(5, 20), st.integers(5, 100))
def test_no_outlook_is_below_the_correction(spread, se, explained, seen, count):
    given_sampling = SplitSpread(spread**2, seen, 0.25, SamplingError(se, explained, 50.0))
    assert given_sampling.foresee_se(count)[0] ** 2 >= (1 / count + 0.25) * spread**2 * (1 - 1e-12)
    assert given_sampling.foresee_se(count)[0] >= given_sampling.compute_se(count)[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.001, 0.03))
def test_the_splits_it_names_do_decide(seed, spread):
    # The same mean and s^2 over the number of splits that it names give a verdict, and one split fewer does not.
    rng = np.random.default_rng(seed)
    mean, wanted = float(rng.uniform(0, 0.02)), spread
    found = paired(0.5 + make_differences(5, mean, wanted), [0.5] * 5, test_train_ratio=0.25)
    if "splits or" not in found.needed:
        return
    named = int(found.needed.split("about ")[1].split(" splits")[0])
    for count, decided in ((named, True), (named - 1, False)):
        again = paired(0.5 + make_differences(count, mean, wanted), [0.5] * count, test_train_ratio=0.25)
        assert (again.verdict != "undecided") == decided


def make_differences(count, mean, deviation):
    values = np.linspace(-1, 1, count)
    return mean + deviation * (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize(
    ("a", "arguments", "message"),
    [
        ([0.8, np.nan], {}, "split 1 has a value that is not finite; SROCC is undefined where a model gives one score"),
        ([0.8], {}, "shapes"),
        ([80.0, 81.0], {}, "split 0, first model: 80.0 is no correlation"),
        ([0.8, 0.9], {"margin": 0}, "margin is 0; give a difference above 0, at most 1"),
        ([0.8, 0.9], {"margin": 1.5}, "margin is 1.5"),
        ([0.8, 0.9], {"margin": math.nan}, "margin is nan"),
        ([0.8, 0.9], {"pairs": 0}, "pairs is 0"),
        ([0.8, 0.9], {"confidence": 1.0}, "confidence 1.0"),
        ([0.8, 0.9], {"test_train_ratio": -1}, "test_train_ratio is -1"),
        ([0.8, 0.9], {"sampling_se": -0.1}, "sampling error of -0.1"),
        ([0.8, 0.9], {"sampling_se": math.nan}, "sampling error of nan"),
    ],
)
def test_refuses(a, arguments, message):
    with pytest.raises(InputError, match=message):
        paired(a, [0.7, 0.7], **{"test_train_ratio": 0.25, **arguments})
    with pytest.raises(InputError, match="no split; give at least one"):
        paired([], [], test_train_ratio=0.25)


@pytest.mark.parametrize("splits", range(5, 11))
@pytest.mark.parametrize("gap", [0.001, 0.03, 0.1, 0.17])
def test_a_gap_that_is_the_same_on_every_split_is_undecided_whatever_its_rounding(gap, splits):
    found = paired([0.7 + gap] * splits, [0.7] * splits, test_train_ratio=0.25)
    assert found.verdict == "undecided"
    assert (found.needed, found.low, found.high) == ("", -2, 2)


def test_a_sampling_error_may_be_a_number_of_any_kind():
    a, b = [0.83, 0.85, 0.84, 0.86, 0.84], [0.80, 0.81, 0.82, 0.82, 0.80]
    expected = paired(a, b, test_train_ratio=0.25, sampling_se=0.01)
    assert paired(a, b, test_train_ratio=0.25, sampling_se=np.float64(0.01)) == expected
    assert paired(a, b, test_train_ratio=0.25, sampling_se=np.float32(0.01)).se == pytest.approx(expected.se)
