"""Putting configs on one backbone, keeping runs, and summing them up."""

import json

import numpy as np
import pytest

from iqa_zoo.config import config_hash, model_config
from iqa_zoo.data.splits import Split
from iqa_zoo.engine import comparison
from iqa_zoo.engine.frozen import FrozenRecipe, FrozenRun
from iqa_zoo.engine.metrics import METRICS


def test_one_backbone_has_every_stage_that_any_model_reads():
    configs = [model_config("deiqt"), model_config("lifeiqa")]
    assert comparison.backbone_config("nss", configs) == dict(type="nss", stages=[3, 4])
    assert comparison.backbone_config("resnet18", configs) == dict(type="timm_features", name="resnet18", stages=[3, 4])
    assert comparison.backbone_config("nss", configs[:1])["stages"] == []


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
    pairs = {(pair["first"], pair["second"]): pair for pair in comparison.differences(records, 0.25)}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert pairs["a", "b"]["mean"] == pytest.approx(0.05, abs=0.002)
    assert pairs["a", "b"]["wins"] == 10
    assert not pairs["a", "b"]["tie"]
    assert pairs["b", "c"]["tie"]
    assert all(pair["p_holm"] >= pair["p"] for pair in pairs.values())


def test_one_split_gives_no_interval():
    assert comparison.differences([record("a", "0", 0.5), record("b", "0", 0.6)], 0.25) == []


class Bank:
    key = "features"


@pytest.fixture
def trained(monkeypatch):
    calls = []

    def train(*arguments, **options):
        calls.append(options)
        return FrozenRun(np.arange(5.0), 0.1, 1.0)

    monkeypatch.setattr(comparison, "train_frozen", train)
    return calls


class Data:
    names = tuple(f"{i}.png" for i in range(10))
    mos = np.arange(10.0)
    distortions = None


def test_a_run_is_kept_and_found_again_until_anything_changes(trained, tmp_path, tiny):
    split = Split(np.arange(5), np.arange(5, 10), np.arange(0), "split")
    recipe = FrozenRecipe(epochs=1)

    def run(cfg=tiny, recipe=recipe, seed=0):
        return comparison.train_one("m", cfg, Bank(), Data(), split, recipe, seed, tmp_path)

    first, again = run(), run()
    assert len(trained) == 1
    assert (first["resumed"], again["resumed"]) == (False, True)
    assert {**again, "resumed": False} == first
    assert first["srocc"] == pytest.approx(1)
    assert first["config"] == config_hash(tiny)
    run(recipe=FrozenRecipe(epochs=2))
    run(seed=1)
    run(cfg={**tiny, "dim": 64})
    assert len(trained) == 4


def test_a_record_cut_off_while_written_is_made_again(trained, tmp_path, tiny):
    split = Split(np.arange(5), np.arange(5, 10), np.arange(0), "split")
    arguments = ("m", tiny, Bank(), Data(), split, FrozenRecipe(), 0, tmp_path)
    comparison.train_one(*arguments)
    (kept,) = (tmp_path / "runs").iterdir()
    kept.write_text(kept.read_text()[:40])
    comparison.train_one(*arguments)
    assert len(trained) == 2
    assert json.loads(kept.read_text())["model"] == "m"
