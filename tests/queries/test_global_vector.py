import pytest
import torch

from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.queries.global_vector import GlobalVector


def test_is_the_vector_itself():
    queries = GlobalVector(dim=8, features=FeatureSpec({}, 12, 8, 224))
    global_BC = torch.randn(4, 8)
    assert torch.equal(queries(Features({}, None, global_BC)), global_BC[:, None])
    assert not list(queries.parameters())


def test_is_projected_where_widths_differ():
    queries = GlobalVector(dim=8, features=FeatureSpec({}, 8, 12, 224))
    global_BC = torch.randn(4, 12)
    expected_BD = global_BC @ queries.proj.weight.T + queries.proj.bias
    assert torch.allclose(queries(Features({}, None, global_BC))[:, 0], expected_BD, atol=1e-6)


def test_a_stage_is_averaged_over_the_image():
    spec = FeatureSpec({2: StageInfo(6, 8), 3: StageInfo(8, 16)}, 12, 8, 224)
    map_BCHW = torch.randn(4, 6, 5, 7)
    queries = GlobalVector(dim=6, features=spec, stage=2)
    found = queries(Features({2: map_BCHW}, None, torch.zeros(4, 8)))
    torch.testing.assert_close(found[:, 0], map_BCHW.flatten(2).mean(2))
    assert GlobalVector(dim=8, features=spec, stage=2).proj.in_features == 6
    with pytest.raises(PartError, match="needs stage 4"):
        GlobalVector(dim=8, features=spec, stage=4)
