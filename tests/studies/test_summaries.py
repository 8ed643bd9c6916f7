"""Medians over splits and paired differences, where metrics are defined and where they are not."""

import math

import numpy as np
import pytest

from iqa_zoo.stats.metrics import METRICS
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


def test_differences_pair_the_same_splits_and_call_a_tie_a_tie():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.6, 0.8, 10)
    records = [record("a", str(i), base[i] + 0.05) for i in range(10)]
    records += [record("b", str(i), base[i] + 0.001 * rng.standard_normal()) for i in reversed(range(10))]
    records += [record("c", str(i), base[i] + 0.03 * rng.standard_normal()) for i in range(10)]
    pairs = {(pair["first"], pair["second"]): pair for pair in compute_differences(records, 0.25, Data())}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert pairs["a", "b"]["mean"] == pytest.approx(0.05, abs=0.002)
    assert pairs["a", "b"]["wins"] == 10
    assert not pairs["a", "b"]["tie"]
    assert pairs["b", "c"]["tie"]
    assert all(pair["p_holm"] >= pair["p"] for pair in pairs.values())


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
    assert pairs["good", "bad"]["test"] == "williams"
    assert not pairs["good", "bad"]["tie"]
    assert pairs["good", "bad"]["p_holm"] < 0.01
    assert pairs["good", "same"]["tie"]
    assert pairs["good", "bad"]["count"] == 80


@pytest.mark.parametrize("undefined", [math.nan, None])
def test_an_undefined_split_is_left_out_and_counted(undefined):
    records = [record("a", str(i), value) for i, value in enumerate([0.7, undefined, 0.8, 0.9])]
    records += [record("b", str(i), value) for i, value in enumerate([0.6, 0.5, 0.8, undefined])]
    summary = summarize_records(records)
    assert (summary["a"]["srocc"]["median"], summary["a"]["srocc"]["undefined"]) == (0.8, 1)
    [pair] = compute_differences(records, 0.25, Data())
    assert (pair["splits"], pair["undefined"], pair["wins"]) == (2, 2, 1)
    assert pair["mean"] == pytest.approx(0.05)
    assert pair["why"] == ""
    only_defined = [r for r in records if r["split"] in "02"]
    assert {**compute_differences(only_defined, 0.25, Data())[0], "undefined": 2} == pair


def test_a_pair_without_a_common_defined_split_is_undefined_and_no_tie():
    constant = {**record("c", "s1", math.nan), "predictions": {"0.png": 1.0, "1.png": 1.0}}
    records = [record("a", "s1", 0.7), record("b", "s1", 0.6), constant]
    records += [record(model, "s2", value) for model, value in (("a", 0.8), ("b", 0.6), ("c", math.nan))]
    pairs = {(pair["first"], pair["second"]): pair for pair in compute_differences(records, 0.25, Data())}
    assert pairs["a", "b"]["p_holm"] == pairs["a", "b"]["p"]  # an undefined pair is none of the several comparisons
    for pair in (pairs["a", "c"], pairs["b", "c"]):
        assert math.isnan(pair["mean"])
        assert math.isnan(pair["p_holm"])
        assert not pair["tie"]
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
