import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_query
from iqa_zoo.values import Count, checked


@register_query("guided")
class GuidedQueries(nn.Module):
    """Learned queries plus the projected global average of one stage: Q = Q_init + expand(GAP(conv1x1(stage))).

    A 1x1 convolution and the average commute, so the average is taken first: the same function and the same
    parameters as Life-IQA's (CVPR 2026), at 1/(H W) of the cost.

    Args:
        num_queries: N.
        stage: the stage that guides.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({4: StageInfo(512, 32)}, 512, 512, 224)
    >>> GuidedQueries(dim=8, features=spec)(Features({4: torch.zeros(2, 512, 7, 7)}, None, None)).shape
    torch.Size([2, 6, 8])
    """

    @checked
    def __init__(self, *, dim: int, features: FeatureSpec, num_queries: Count = 6, stage: int = 4):
        super().__init__()
        self.num_queries, self.stage = num_queries, stage
        self.embedding = nn.Parameter(torch.empty(1, num_queries, dim))
        nn.init.trunc_normal_(self.embedding, std=0.02)
        self.proj = nn.Linear(stage_channels(features, stage), dim)

    def forward(self, features: Features) -> Tensor:
        guide_BD = self.proj(features.maps[self.stage].mean((2, 3)))
        return self.embedding + guide_BD[:, None]
