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
        tokens: read the mean of the final tokens too, after the stages. Tokens that are the cells of a stage in ``stages``
            are not read twice.

    Raises:
        PartError: nothing to read, or a stage that the backbone does not give.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({3: StageInfo(3, 16), 4: StageInfo(5, 32)}, 5, 5, 224)
    >>> queries = StageMeans(features=spec, stages=(3, 4))
    >>> queries(Features({3: torch.zeros(2, 3, 14, 14), 4: torch.zeros(2, 5, 7, 7)}, None, None)).shape
    torch.Size([2, 1, 8])
    """

    num_queries = 1
    out_dim: int | None = None

    @checked
    def __init__(self, *, features: FeatureSpec, stages: Sequence[int] | None = None, tokens: bool = False):
        super().__init__()
        self.stages = tuple(features.stages if stages is None else stages)
        self.tokens = tokens and features.token_stage not in self.stages
        if not self.stages and not self.tokens:
            raise PartError("stages is empty; give the stages to read, or set tokens to True")
        self.out_dim = sum(stage_channels(features, stage) for stage in self.stages)
        self.out_dim += features.token_channels if self.tokens else 0

    def forward(self, features: Features) -> Tensor:
        means = [features.maps[stage].mean((2, 3)) for stage in self.stages]
        if self.tokens:
            means.append(features.tokens_BLC.mean(1))
        return torch.cat(means, 1)[:, None]
