"""Putting configs on one backbone, keeping runs, and summing them up."""

from collections.abc import Sequence

import numpy as np
import pytest
from torch import nn

from iqa_zoo.config import model_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.engine import comparison
from iqa_zoo.engine.metrics import METRICS
from iqa_zoo.registry import register_query


def test_one_backbone_has_every_stage_that_any_model_reads():
    configs = [model_config("deiqt"), model_config("lifeiqa")]
    assert comparison.backbone_config("nss", configs) == dict(type="nss", stages=[3, 4])
    assert comparison.backbone_config("resnet18", configs) == dict(type="timm_features", name="resnet18", stages=[3, 4])
    assert comparison.backbone_config("nss", configs[:1])["stages"] == []


def test_a_part_that_reads_all_stages_gets_all_in_any_company(scratch_registry):
    @register_query("all_stages")
    class AllStages(nn.Module):
        """All."""

        num_queries = 1

        def __init__(self, *, dim: int, features: FeatureSpec, stages: Sequence[int] | None = None):
            super().__init__()

    reader = {**model_config("deiqt"), "queries": dict(type="all_stages")}
    for configs in ([reader], [reader, model_config("lifeiqa")], [model_config("deiqt"), reader]):
        assert comparison.backbone_config("resnet18", configs)["stages"] == [1, 2, 3, 4]
    reader["queries"]["stages"] = [2]
    assert comparison.backbone_config("resnet18", [reader])["stages"] == [2]


def record(model: str, split: str, srocc: float) -> dict:
    return dict(model=model, split=split, seconds=1.0, **{**dict.fromkeys(METRICS, 0.5), "srocc": srocc})


def test_the_summary_is_the_median_over_splits():
    records = [record("a", str(i), value) for i, value in enumerate([0.7, 0.9, 0.8])]
    row = comparison.summarise(records)["a"]
    assert row["srocc"] == dict(median=0.8, q1=pytest.approx(0.75), q3=pytest.approx(0.85))
    assert row["splits"] == 3


def test_differences_pair_the_same_splits_and_call_a_tie_a_tie():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.6, 0.8, 10)
    records = [record("a", str(i), base[i] + 0.05) for i in range(10)]
    records += [record("b", str(i), base[i] + 0.001 * rng.standard_normal()) for i in reversed(range(10))]
    records += [record("c", str(i), base[i] + 0.03 * rng.standard_normal()) for i in range(10)]
    pairs = {(pair["first"], pair["second"]): pair for pair in comparison.differences(records, 0.25, Data())}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert pairs["a", "b"]["mean"] == pytest.approx(0.05, abs=0.002)
    assert pairs["a", "b"]["wins"] == 10
    assert not pairs["a", "b"]["tie"]
    assert pairs["b", "c"]["tie"]
    assert all(pair["p_holm"] >= pair["p"] for pair in pairs.values())


class Data:
    names = tuple(f"{i}.png" for i in range(10))
    mos = np.arange(10.0)
    distortions = None
    references = None
    higher_is_better = True

    def __len__(self):
        return 10


def test_every_rule_is_summed_up_by_its_median():
    reports = [
        dict(validation=dict(srocc=v, plcc=v, epoch=1), last=dict(srocc=v + 0.1, plcc=v, epoch=3))
        for v in (0.5, 0.6, 0.9)
    ]
    records = [dict(model="a", every_rule=reported) for reported in reports]
    assert comparison.summarise_rules(records)["a"]["last"] == dict(srocc=pytest.approx(0.7), plcc=0.6, epoch=3)


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
    pairs = {(p["first"], p["second"]): p for p in comparison.differences(records, 0.25, data)}
    assert pairs["good", "bad"]["test"] == "williams"
    assert not pairs["good", "bad"]["tie"]
    assert pairs["good", "bad"]["p_holm"] < 0.01
    assert pairs["good", "same"]["tie"]
    assert pairs["good", "bad"]["count"] == 80
