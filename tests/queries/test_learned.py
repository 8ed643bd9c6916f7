import torch

from iqa_zoo.contracts import Features
from iqa_zoo.queries.learned import LearnedQueries


def test_same_for_every_image():
    queries = LearnedQueries(dim=8, num_queries=3)
    queries_BND = queries(Features({}, None, torch.randn(4, 5)))
    assert queries_BND.shape == (4, 3, 8)
    assert torch.equal(queries_BND, queries.embedding.data.repeat(4, 1, 1))
    assert sum(p.numel() for p in queries.parameters()) == 24
