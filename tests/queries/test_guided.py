import pytest
import torch
from torch import nn

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.queries.guided import GuidedQueries

SPEC = FeatureSpec({3: StageInfo(20, 16), 4: StageInfo(10, 32)}, 10, 10, 224)


def test_equals_convolution_then_average():
    queries = GuidedQueries(dim=8, features=SPEC, num_queries=5, stage=4)
    conv = nn.Conv2d(10, 8, 1)
    conv.load_state_dict({"weight": queries.proj.weight.data[:, :, None, None], "bias": queries.proj.bias.data})
    stage_BCHW = torch.randn(3, 10, 7, 9)
    expected_BND = queries.embedding + nn.AdaptiveAvgPool2d(1)(conv(stage_BCHW)).flatten(1)[:, None].expand(-1, 5, -1)
    features = Features({3: torch.randn(3, 20, 14, 18), 4: stage_BCHW}, None, None)
    assert torch.allclose(queries(features), expected_BND, atol=1e-6)


def test_parameters():
    queries = GuidedQueries(dim=384, features=FeatureSpec({4: StageInfo(1024, 32)}, 1024, 1024, 224))
    assert sum(p.numel() for p in queries.parameters()) == 6 * 384 + 1024 * 384 + 384
    assert 0.015 < queries.embedding.std() < 0.025
    assert queries.embedding.abs().max() <= 2


def test_stage_that_was_not_asked_for():
    with pytest.raises(PartError, match=r"needs stage 2, and backbone.stages asks for 3, 4; set .* to \(2, 3, 4\)"):
        GuidedQueries(dim=8, features=SPEC, stage=2)


def test_stage_that_does_not_exist():
    with pytest.raises(PartError, match="needs stage 5, which the backbone lacks; it has the stages 1, 2, 3, 4"):
        GuidedQueries(dim=8, features=SPEC, stage=5)
