from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.registry import register_query
from iqa_zoo.values import Grid, Share, checked


@register_query("multi_scale")
class MultiScaleQueries(nn.Module):
    """One query a cell of a grid: what every stage says there, their channels side by side.

    Each map is normalised to length one over its channels, smoothed by L2 pooling with a Hanning window of 3 x 3
    (the root of the weighted mean of squares, as in DISTS), dropped out, and averaged to the grid (TReS: Golestaneh et
    al., WACV 2022). With ResNet-50 that is 49 queries of 256 + 512 + 1024 + 2048 channels. A linear projection is added
    only where their sum is not the model's width. Positions are the business of ``positioned_self_attention``.

    Differs from the released code in that cells share out a map of any size; those of 224 pixels are the same.

    Args:
        stages: the stages to read.
        grid: cells per side; N is its square.
        dropout: before a map is averaged.

    Raises:
        PartError: no stages, or one that the backbone does not give.

    >>> from iqa_zoo.contracts import StageInfo
    >>> spec = FeatureSpec({3: StageInfo(3, 16), 4: StageInfo(5, 32)}, 5, 5, 224)
    >>> queries = MultiScaleQueries(dim=8, features=spec, stages=(3, 4))
    >>> queries(Features({3: torch.zeros(2, 3, 14, 14), 4: torch.zeros(2, 5, 7, 7)}, None, None)).shape
    torch.Size([2, 49, 8])
    """

    window_HW: Tensor

    @checked
    def __init__(
        self,
        *,
        dim: int,
        features: FeatureSpec,
        stages: Sequence[int] = (1, 2, 3, 4),
        grid: Grid = 7,
        dropout: Share = 0.1,
    ):
        super().__init__()
        if not stages:
            raise PartError("stages is empty; give the stages to read")
        self.stages, self.grid, self.num_queries = tuple(stages), grid, grid**2
        width = sum(stage_channels(features, stage) for stage in self.stages)
        self.drop = nn.Dropout(dropout)
        self.proj = nn.Identity() if width == dim else nn.Linear(width, dim)
        hanning_W = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("window_HW", hanning_W[:, None] * hanning_W, persistent=False)

    def forward(self, features: Features) -> Tensor:
        pooled = [self._pooled(features.maps[stage]) for stage in self.stages]
        tokens_BND: Tensor = self.proj(rearrange(torch.cat(pooled, 1), "b c h w -> b (h w) c").contiguous())
        return tokens_BND

    def _pooled(self, map_BCHW: Tensor) -> Tensor:
        squared_BCHW = F.normalize(map_BCHW, dim=1) ** 2
        channels = squared_BCHW.shape[1]
        window_C1HW = self.window_HW.to(squared_BCHW.dtype).expand(channels, 1, 3, 3)
        smooth_BCHW = (F.conv2d(squared_BCHW, window_C1HW, padding=1, groups=channels) + 1e-12).sqrt()
        return F.adaptive_avg_pool2d(self.drop(smooth_BCHW), self.grid)
