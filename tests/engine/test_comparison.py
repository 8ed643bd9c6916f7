"""Putting configs on one backbone, keeping runs, and summing them up."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from torch import nn

from iqa_zoo.config import config_hash, model_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.splits import Split
from iqa_zoo.engine import comparison
from iqa_zoo.engine.comparison import Elsewhere, Training
from iqa_zoo.engine.frozen import FrozenRecipe, FrozenRun
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


def history(*sroccs: tuple[float, float]) -> list[dict]:
    best = max(range(len(sroccs)), key=lambda i: sroccs[i][0])
    return [
        dict(epoch=i + 1, loss=0.1, validation=dict(srocc=v), test=dict(srocc=t, plcc=t), selected=i == best)
        for i, (v, t) in enumerate(sroccs)
    ]


class Bank:
    key = "features"


@pytest.fixture
def trained(monkeypatch):
    calls = []

    def train(*arguments, **options):
        calls.append(options)
        elsewhere = {name: np.arange(10.0) for name in options["elsewhere"]}
        return FrozenRun(np.arange(5.0), elsewhere, history((0.6, 0.5), (0.7, 0.6)), 1.0)

    monkeypatch.setattr(comparison, "train_frozen", train)
    return calls


class Data:
    names = tuple(f"{i}.png" for i in range(10))
    mos = np.arange(10.0)
    distortions = None
    references = None
    higher_is_better = True

    def __len__(self):
        return 10


class Reversed(Data):
    mos = np.arange(10.0)[::-1]
    higher_is_better = False


SPLIT = Split(np.arange(5), np.arange(5, 10), np.arange(0), "split")


def test_a_run_is_kept_and_found_again_until_anything_changes(trained, tmp_path, tiny):
    def run(cfg=tiny, recipe=FrozenRecipe(epochs=1), seed=0, rule="last", elsewhere=None):  # noqa: B008
        return comparison.train_one(Training("m", cfg, SPLIT, recipe, seed, rule), Bank(), Data(), tmp_path, elsewhere)

    first, again = run(), run()
    assert len(trained) == 1
    assert (first["resumed"], again["resumed"]) == (False, True)
    assert {**again, "resumed": False} == first
    assert first["srocc"] == pytest.approx(1)
    assert first["config"] == config_hash(tiny)
    assert first["epoch"] == 2
    assert first["every_rule"]["test-oracle"] == dict(epoch=2, srocc=0.6, plcc=0.6)
    run(recipe=FrozenRecipe(epochs=2))
    run(seed=1)
    run(rule="validation")
    run(cfg={**tiny, "dim": 64})
    run(elsewhere={"other": Elsewhere(Data(), Bank())})
    assert len(trained) == 6


def test_another_dataset_is_judged_in_its_own_direction(trained, tmp_path, tiny):
    others = {"same": Elsewhere(Data(), Bank()), "reversed": Elsewhere(Reversed(), Bank())}
    record = comparison.train_one(Training("m", tiny, SPLIT, FrozenRecipe(), 0), Bank(), Data(), None, others)
    assert [record["elsewhere"][name]["srocc"] for name in others] == pytest.approx([1, 1])
    assert record["elsewhere"]["reversed"]["predictions"]["9.png"] == 9.0


def test_a_record_cut_off_while_written_is_made_again(trained, tmp_path, tiny):
    training = Training("m", tiny, SPLIT, FrozenRecipe(), 0)
    comparison.train_one(training, Bank(), Data(), tmp_path)
    (kept,) = (tmp_path / "runs").iterdir()
    kept.write_text(kept.read_text()[:40])
    comparison.train_one(training, Bank(), Data(), tmp_path)
    assert len(trained) == 2
    assert json.loads(kept.read_text())["model"] == "m"
