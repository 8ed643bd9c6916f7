"""Putting configs on one backbone."""

from collections.abc import Sequence

from torch import nn

from iqa_zoo.config import model_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.registry import register_query


def test_one_backbone_has_every_stage_that_any_model_reads():
    configs = [model_config("deiqt"), model_config("lifeiqa")]
    assert make_backbone_config("nss", configs) == dict(type="nss", stages=[3, 4])
    assert make_backbone_config("resnet18", configs) == dict(type="timm_features", name="resnet18", stages=[3, 4])
    assert make_backbone_config("nss", configs[:1])["stages"] == []


def test_a_part_that_reads_all_stages_gets_all_in_any_company(scratch_registry):
    @register_query("all_stages")
    class AllStages(nn.Module):
        """All."""

        num_queries = 1

        def __init__(self, *, dim: int, features: FeatureSpec, stages: Sequence[int] | None = None):
            super().__init__()

    reader = {**model_config("deiqt"), "queries": dict(type="all_stages")}
    for configs in ([reader], [reader, model_config("lifeiqa")], [model_config("deiqt"), reader]):
        assert make_backbone_config("resnet18", configs)["stages"] == [1, 2, 3, 4]
    reader["queries"]["stages"] = [2]
    assert make_backbone_config("resnet18", [reader])["stages"] == [2]
