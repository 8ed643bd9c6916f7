from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_query
from iqa_zoo.values import checked


@register_query("stage_means")
class StageMeans(nn.Module):
    """One query: the mean of each stage map over the image, the channels of all stages side by side.

    Nothing is learned. The width of the query is the sum of the channels, whatever the model's width is.

    Args:
        stages: the stages to read; every one that the backbone gives where left out.

    Raises:
        PartError: no stages, or one that the backbone does not give.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({3: StageInfo(3, 16), 4: StageInfo(5, 32)}, 5, 5, 224)
    >>> queries = StageMeans(features=spec, stages=(3, 4))
    >>> queries(Features({3: torch.zeros(2, 3, 14, 14), 4: torch.zeros(2, 5, 7, 7)}, None, None)).shape
    torch.Size([2, 1, 8])
    """

    num_queries = 1
    out_dim: int | None = None

    @checked
    def __init__(self, *, features: FeatureSpec, stages: Sequence[int] | None = None):
        super().__init__()
        self.stages = tuple(features.stages if stages is None else stages)
        if not self.stages:
            raise PartError("stages is empty; give the stages to read")
        self.out_dim = sum(stage_channels(features, stage) for stage in self.stages)

    def forward(self, features: Features) -> Tensor:
        vector_BC = torch.cat([features.maps[stage].mean((2, 3)) for stage in self.stages], 1)
        return vector_BC[:, None]
