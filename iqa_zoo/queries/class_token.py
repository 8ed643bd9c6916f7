import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.registry import register_query
from iqa_zoo.values import Count, checked


@register_query("class_token")
class ClassTokenQueries(nn.Module):
    """Learned queries plus the backbone's global vector: Q = Q_init + expand(CLS), as in DEIQT (AAAI 2023).

    Works on every backbone: where there is no class token the global vector is the pooled last stage. A linear
    projection is added only where the backbone's width is not the model's.

    Args:
        num_queries: N.

    >>> queries = ClassTokenQueries(dim=8, features=FeatureSpec({}, 8, 8, 224))
    >>> queries(Features({}, None, torch.zeros(2, 8))).shape
    torch.Size([2, 6, 8])
    """

    @checked
    def __init__(self, *, dim: int, features: FeatureSpec, num_queries: Count = 6):
        super().__init__()
        self.num_queries = num_queries
        self.embedding = nn.Parameter(torch.empty(1, num_queries, dim))
        nn.init.trunc_normal_(self.embedding, std=0.02)
        width = features.global_channels
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)

    def forward(self, features: Features) -> Tensor:
        return self.embedding + self.proj(features.global_BC)[:, None]
