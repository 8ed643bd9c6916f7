import torch
from torch import nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.queries.class_token import ClassTokenQueries


def test_learned_plus_global_vector():
    queries = ClassTokenQueries(dim=8, features=FeatureSpec({}, 8, 8, 224), num_queries=3)
    global_BC = torch.randn(4, 8)
    queries_BND = queries(Features({}, None, global_BC))
    for b in range(4):
        for n in range(3):
            assert torch.equal(queries_BND[b, n], queries.embedding[0, n] + global_BC[b])
    assert [name for name, _ in queries.named_parameters()] == ["embedding"]


def test_projection_only_where_widths_differ():
    queries = ClassTokenQueries(dim=8, features=FeatureSpec({}, 8, 12, 224))
    assert isinstance(queries.proj, nn.Linear)
    global_BC = torch.randn(4, 12)
    guide_BD = global_BC @ queries.proj.weight.T + queries.proj.bias
    assert torch.allclose(queries(Features({}, None, global_BC)), queries.embedding + guide_BD[:, None], atol=1e-6)
