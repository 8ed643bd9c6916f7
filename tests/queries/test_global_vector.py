import torch

from iqa_zoo.contracts import Features, FeatureSpec
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
