import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features
from iqa_zoo.registry import register_query
from iqa_zoo.values import Count, checked


@register_query("learned")
class LearnedQueries(nn.Module):
    """Learned queries, the same for every image: Q = Q_init.

    Args:
        num_queries: N.

    >>> queries = LearnedQueries(dim=8, num_queries=4)
    >>> queries(Features({}, None, torch.zeros(2, 5))).shape
    torch.Size([2, 4, 8])
    """

    @checked
    def __init__(self, *, dim: int, num_queries: Count = 6):
        super().__init__()
        self.num_queries = num_queries
        self.embedding = nn.Parameter(torch.empty(1, num_queries, dim))
        nn.init.trunc_normal_(self.embedding, std=0.02)

    def forward(self, features: Features) -> Tensor:
        return self.embedding.expand(features.global_BC.shape[0], -1, -1)
