"""Medians over splits and paired differences, where metrics are defined and where they are not."""

import math

import numpy as np
import pytest

from iqa_zoo.stats.bootstrap import bootstrap_difference
from iqa_zoo.stats.metrics import METRICS, srocc
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import compute_sampling_se
from iqa_zoo.studies.summaries import compute_differences, summarize_records, summarize_rules


class Data:
    names = tuple(f"{i}.png" for i in range(10))
    mos = np.arange(10.0)
    references = None


def record(model: str, split: str, srocc: float) -> dict:
    return dict(model=model, split=split, seconds=1.0, **{**dict.fromkeys(METRICS, 0.5), "srocc": srocc})


def test_the_summary_is_the_median_over_splits():
    records = [record("a", str(i), value) for i, value in enumerate([0.7, 0.9, 0.8])]
    row = summarize_records(records)["a"]
    assert row["srocc"] == dict(median=0.8, q1=pytest.approx(0.75), q3=pytest.approx(0.85), undefined=0)
    assert row["splits"] == 3


def test_the_verdict_of_a_pair_by_hand():
    # Differences .05 .06 .04 .05 .05: mean .05, s^2 = .0002 / 4; se^2 = s^2 (1/5 + 1/4); t(.975, 4) = 2.776445.
    a, b = [0.75, 0.76, 0.74, 0.75, 0.75], [0.7] * 5
    records = [record(model, str(i), value) for model, values in (("a", a), ("b", b)) for i, value in enumerate(values)]
    [pair] = compute_differences(records, 0.25, Data())
    half = 2.776445 * math.sqrt(0.0002 / 4 * 0.45)
    assert (pair["mean"], pair["low"], pair["high"]) == pytest.approx((0.05, 0.05 - half, 0.05 + half), abs=1e-7)
    assert (pair["first"], pair["second"], pair["verdict"]) == ("a", "b", "ahead")
    assert (pair["wins"], pair["splits"], pair["undefined"], pair["count"], pair["pairs"]) == (5, 5, 0, 5, 1)
    assert pair["margin"] == 0.01
    assert pair["method"] == "corrected t"
    assert pair["why"] == "the records hold no predictions"
    assert not {"tie", "p_holm", "test"} & pair.keys()
    assert compute_differences(records, 0.25, Data(), [("b", "a")])[0]["verdict"] == "behind"
    assert compute_differences(records, 0.25, Data(), margin=0.08)[0]["verdict"] == "equivalent"


def test_the_number_of_pairs_widens_the_interval_and_turns_the_verdict():
    # Differences a - b: mean .04, s^2 = .001 / 4, so se = .0106. t(1 - .025 / 3, 4) = 3.960818 and t(1 - .025 / 10, 4) = 5.597568.
    a, b, c = [0.74, 0.76, 0.72, 0.75, 0.73], [0.7] * 5, [0.6, 0.7, 0.5, 0.6, 0.6]
    records = [
        record(m, str(i), value) for m, values in (("a", a), ("b", b), ("c", c)) for i, value in enumerate(values)
    ]
    alone = compute_differences(records, 0.25, Data(), [("a", "b")])[0]
    three = {(pair["first"], pair["second"]): pair for pair in compute_differences(records, 0.25, Data())}
    assert set(three) == {("a", "b"), ("a", "c"), ("b", "c")}
    of_three = three["a", "b"]
    ten = compute_differences(records, 0.25, Data(), [("a", "b")], comparisons=10)[0]
    assert alone["se"] == of_three["se"] == ten["se"]
    for pair, critical, pairs in ((alone, 2.776445, 1), (of_three, 3.960818, 3), (ten, 5.597568, 10)):
        assert pair["high"] - pair["mean"] == pytest.approx(critical * alone["se"], rel=1e-5)
        assert pair["pairs"] == pairs
        assert pair["p"] == pytest.approx(pairs * alone["p"])
    assert (alone["verdict"], ten["verdict"]) == ("ahead", "undecided")
    assert ten["needed"]


def predict(model, images, noise, seed):
    rng = np.random.default_rng(seed)
    return {name: float(mos + noise * rng.standard_normal()) for name, mos in images.items()}


def test_the_error_of_sampling_the_test_images_is_that_of_their_predictions():
    rng = np.random.default_rng(0)
    data = Data()
    data.names = tuple(f"{i}.png" for i in range(60))
    data.mos = rng.uniform(0, 10, 60)
    label = dict(zip(data.names, data.mos.tolist(), strict=True))
    records = []
    for split in range(6):
        tested = {name: label[name] for name in rng.permutation(data.names)[:20].tolist()}
        for model, noise in (("a", 2.0), ("b", 3.0), ("c", 2.5)):
            scores = predict(model, tested, noise, seed=split)
            value = srocc(list(scores.values()), list(tested.values()))
            records.append({**record(model, str(split), value), "predictions": scores})
    pairs = {(pair["first"], pair["second"]): pair for pair in compute_differences(records, 0.25, data)}
    parts = {m: [r["predictions"] for r in records if r["model"] == m] for m in "abc"}
    values = {m: [r["srocc"] for r in records if r["model"] == m] for m in "abc"}
    for (first, second), pair in pairs.items():
        sampling = compute_sampling_se(parts[first], parts[second], label)
        known = paired(values[first], values[second], test_train_ratio=0.25, sampling_se=sampling, pairs=3)
        assert (pair["se"], pair["low"], pair["p"]) == pytest.approx((known.se, known.low, known.p))
        assert (pair["method"], pair["why"]) == ("corrected t + jackknife", "")
        assert pair["se"] >= sampling.se
    # Images of one content are deleted together.
    data.references = data.contents = tuple(str(i // 6) for i in range(60))
    grouped = compute_differences(records, 0.25, data, [("a", "b")])[0]
    groups = dict(zip(data.names, data.contents, strict=True))
    sampling = compute_sampling_se(parts["a"], parts["b"], label, groups=groups)
    known = paired(values["a"], values["b"], test_train_ratio=0.25, sampling_se=sampling)
    assert grouped["se"] == pytest.approx(known.se)
    assert grouped["se"] != pytest.approx(pairs["a", "b"]["se"])


def test_equal_scores_are_equivalent_and_two_splits_undecided():
    records = [record(model, str(i), 0.7 + 0.01 * i) for model in "ab" for i in range(6)]
    [pair] = compute_differences(records, 0.25, Data())
    assert (pair["verdict"], pair["mean"], pair["p"]) == ("equivalent", 0, 1)
    two = [each for each in records if each["split"] in "01"]
    [pair] = compute_differences(two, 0.25, Data())
    assert (pair["verdict"], pair["needed"]) == ("undecided", "at least 5 splits")
    assert pair["needed"] == "at least 5 splits"


def test_every_rule_is_summed_up_by_its_median():
    reports = [
        dict(validation=dict(srocc=v, plcc=v, epoch=1), last=dict(srocc=v + 0.1, plcc=v, epoch=3))
        for v in (0.5, 0.6, 0.9)
    ]
    records = [dict(model="a", every_rule=reported) for reported in reports]
    assert summarize_rules(records)["a"]["last"] == dict(srocc=pytest.approx(0.7), plcc=0.6, epoch=3)


@pytest.mark.slow
def test_one_split_is_judged_over_its_images():
    rng = np.random.default_rng(0)
    data = Data()
    data.names = tuple(f"{i}.png" for i in range(80))
    data.mos = rng.uniform(0, 100, 80)
    noise = dict(good=5, bad=80, same=5.001)

    def predicted(model):
        scores = data.mos + noise[model] * np.random.default_rng(1).standard_normal(80)
        return dict(zip(data.names, scores.tolist(), strict=True))

    records = [{**record(model, "s", 0.5), "predictions": predicted(model)} for model in noise]
    pairs = {(p["first"], p["second"]): p for p in compute_differences(records, 0.25, data)}
    pair = pairs["good", "bad"]
    assert 0 < pair["low"] < pair["mean"] < pair["high"]
    assert (pair["method"], pair["count"], pair["pairs"]) == ("bootstrap", 1, 3)
    assert (pair["verdict"], pair["needed"]) == ("undecided", "at least 5 splits")
    assert pair["needed"] == "at least 5 splits"
    scores = [list(predicted(model).values()) for model in ("good", "bad")]
    adjusted = bootstrap_difference(*scores, data.mos, confidence=1 - 0.05 / 3)
    assert (pair["low"], pair["high"], pair["confidence"]) == (adjusted.low, adjusted.high, 0.95)
    assert pair["p"] == pytest.approx(3 * adjusted.p)
    assert pairs["good", "same"]["low"] <= 0 <= pairs["good", "same"]["high"]


@pytest.mark.parametrize("undefined", [math.nan, None])
def test_an_undefined_split_is_left_out_and_counted(undefined):
    records = [record("a", str(i), value) for i, value in enumerate([0.7, undefined, 0.8, 0.9])]
    records += [record("b", str(i), value) for i, value in enumerate([0.6, 0.5, 0.8, undefined])]
    summary = summarize_records(records)
    assert (summary["a"]["srocc"]["median"], summary["a"]["srocc"]["undefined"]) == (0.8, 1)
    [pair] = compute_differences(records, 0.25, Data())
    assert (pair["splits"], pair["undefined"], pair["wins"]) == (2, 2, 1)
    assert pair["mean"] == pytest.approx(0.05)
    only_defined = [r for r in records if r["split"] in "02"]
    assert {**compute_differences(only_defined, 0.25, Data())[0], "undefined": 2} == pair


def test_a_pair_without_a_common_defined_split_is_undefined():
    constant = {**record("c", "s1", math.nan), "predictions": {"0.png": 1.0, "1.png": 1.0}}
    records = [record("a", "s1", 0.7), record("b", "s1", 0.6), constant]
    records += [record(model, "s2", value) for model, value in (("a", 0.8), ("b", 0.6), ("c", math.nan))]
    pairs = {(pair["first"], pair["second"]): pair for pair in compute_differences(records, 0.25, Data())}
    assert pairs["a", "b"]["pairs"] == 1  # an undefined pair is none of the several comparisons
    for pair in (pairs["a", "c"], pairs["b", "c"]):
        assert math.isnan(pair["mean"])
        assert math.isnan(pair["p"])
        assert pair["verdict"] == "undecided"
        assert (pair["splits"], pair["undefined"]) == (0, 2)
        assert pair["why"] == "c: all scores are equal on split s1"


def test_one_split_whose_images_show_one_content_has_no_interval():
    class OneContent(Data):
        references = ("x",) * 10
        contents = ("x",) * 10

    predictions = {name: float(i) for i, name in enumerate(Data.names)}
    records = [{**record(model, "s", value), "predictions": predictions} for model, value in (("a", 0.7), ("b", 0.6))]
    [pair] = compute_differences(records, 0.25, OneContent())
    assert math.isnan(pair["mean"])
    assert "single content" in pair["why"]


@pytest.mark.slow
def test_a_resample_of_too_few_images_is_left_out():
    class Contents(Data):
        references = contents = ("x", "y", *["z"] * 8)

    rng = np.random.default_rng(0)
    records = [
        {**record(model, "s", 0.7), "predictions": dict(zip(Data.names, rng.random(10).tolist(), strict=True))}
        for model in "ab"
    ]
    [pair] = compute_differences(records, 0.25, Contents())
    assert pair["low"] < pair["mean"] < pair["high"]
